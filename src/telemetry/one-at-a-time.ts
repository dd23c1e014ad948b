/** Runs `work` once at a time: all who ask while it runs share the next run, which begins after they asked. */
export function oneAtATime<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<Result> | undefined;
  return () => {
    if (next === undefined) {
      next = last.then(() => {
        next = undefined;
        return work();
      });
      last = next.catch(() => undefined);
    }
    return next;
  };
}
