const kinds = { got: 'got', 'got stream': 'got-stream', pool: 'pool' };

/** The clients alone, without a sidecar around them. */
export async function clients(bench) {
  for (let round = 0; round < bench.size(5, 2); round += 1) {
    const bare = await bench.bare();
    for (const [kind, key] of Object.entries(kinds)) {
      const { cpu, rate } = await bench.post(kind, bench.size(15_000, kind === 'pool' ? 15_000 : 4_000));
      bench.record(`${key}-cpu`, cpu / bare.cpu);
      bench.record(`${key}-rate`, rate / bare.rate);
    }
  }
}
