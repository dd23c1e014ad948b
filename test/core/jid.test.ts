import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Jid, parseJid, prepareDomain } from '../../src/core/jid.ts';

/** The JID's parts and how many of them could not be prepared. */
function parse(text: string): [local: string, domain: string, resource: string, failures: number] {
  let failures = 0;
  const { local, domain, resource } = parseJid(text, () => {
    failures += 1;
  });
  return [local, domain, resource, failures];
}

const ignore = (): void => {};
const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...Array.from('aZé@/. ß\u00ad＠℀😀א'), '\ud800'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
});

describe('parseJid', () => {
  it.each([
    ['alice@example.com/phone', 'alice', 'example.com', 'phone'],
    ['alice@example.com', 'alice', 'example.com', ''],
    ['example.com', '', 'example.com', ''],
    ['example.com/x', '', 'example.com', 'x'],
    ['alice@example.com/a@b/c', 'alice', 'example.com', 'a@b/c'],
    ['example.com/a@b', '', 'example.com', 'a@b'],
    ['alice@b@example.com', 'alice', 'b@example.com', ''],
    ['alice@', 'alice', '', ''],
    ['@example.com', '', 'example.com', ''],
    ['alice@example.com/', 'alice', 'example.com', ''],
    ['@/', '', '', ''],
    ['', '', '', ''],
  ])('splits %j at the first slash, and before it at the first @', (text, ...parts) => {
    expect(parse(text)).toEqual([...parts, 0]);
  });

  it('prepares each part by its own profile', () => {
    expect(parse('Straße@BÜCHER.example/My Straße')).toEqual(['strasse', 'bücher.example', 'My Straße', 0]);
    expect(parse('ΑΒΓς@LocalHost/ＷＩＤＥ')).toEqual(['αβγσ', 'localhost', 'WIDE', 0]);
    expect(parse('a\u200blice@[::1]/\u00ada')).toEqual(['alice', '[::1]', 'a', 0]);
  });

  it('leaves XEP-0106 escapes as they are', () => {
    expect(parse('d\\27artagnan\\40b\\20c@example.com')).toEqual([
      'd\\27artagnan\\40b\\20c',
      'example.com',
      '',
      0,
    ]);
  });

  it('lets emoji and other characters newer than Unicode 3.2 pass', () => {
    expect(parse('a😀@example.com/🏠')).toEqual(['a😀', 'example.com', '🏠', 0]);
  });

  it('uses a local part in lower case as it came where preparation fails or leaves nothing', () => {
    expect(parse('Al ICE@example.com')).toEqual(['al ice', 'example.com', '', 1]);
    expect(parse('\u00ad@example.com')).toEqual(['\u00ad', 'example.com', '', 1]);
  });

  it('uses a domain in lower case as it came where preparation fails or leaves nothing', () => {
    expect(parse('alice@EXAMPLE\ue000')).toEqual(['alice', 'example\ue000', '', 1]);
    expect(parse('alice@\u200b')).toEqual(['alice', '\u200b', '', 1]);
  });

  it('uses a resource unchanged where preparation fails or leaves nothing', () => {
    expect(parse('alice@example.com/My\tPhone')).toEqual(['alice', 'example.com', 'My\tPhone', 1]);
    expect(parse('alice@example.com/\u00ad')).toEqual(['alice', 'example.com', '\u00ad', 1]);
  });

  it('tells of each part that could not be prepared', () => {
    expect(parse('A B@\ue000C/\tD')).toEqual(['a b', '\ue000c', '\tD', 3]);
  });

  it('takes no domain for a full JID because NFKC makes an @ or a slash in it', () => {
    expect(parse('Alice＠example.com')).toEqual(['', 'alice＠example.com', '', 1]);
    expect(parse('alice@example.com／x')).toEqual(['alice', 'example.com／x', '', 1]);
    expect(parse('℀')).toEqual(['', '℀', '', 1]);
  });

  it('prepares parts that are longer than servers let pass, unless NFKC would be slow', () => {
    const long = 'a'.repeat(5000);
    expect(parse(`${long.toUpperCase()}@${long}/${long}`)).toEqual([long, long, long, 0]);
    expect(parse(`${'É'.repeat(2000)}@example.com`)).toEqual(['é'.repeat(2000), 'example.com', '', 1]);
  });

  it('throws for no string, and reads what it prepared as the same JID', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        let failures = 0;
        const jid = parseJid(text, () => {
          failures += 1;
        });
        const isAmbiguous = jid.local === '' && jid.domain.includes('@');
        if (failures === 0 && !isAmbiguous) expect(parseJid(jid.toString(), ignore)).toEqual(jid);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('prepareDomain', () => {
  it('makes equal what servers hold for the same domain', () => {
    expect(prepareDomain('BÜCHER.Example', ignore)).toBe(prepareDomain('bu\u0308cher.example', ignore));
    expect(prepareDomain('XN--BCHER-KVA.Example', ignore)).toBe('xn--bcher-kva.example');
    expect(prepareDomain('', ignore)).toBe('');
  });

  it('keeps a dot at the end', () => {
    expect(prepareDomain('Example.com.', ignore)).toBe('example.com.');
  });
});

describe('Jid', () => {
  it.each(['alice@example.com/a phone', 'alice@example.com', 'example.com/phone', 'example.com'])(
    'is written as it was read: %s',
    (text) => {
      expect(parseJid(text, ignore).toString()).toBe(text);
    },
  );

  it('is bare without its resource', () => {
    const jid = new Jid('alice', 'example.com', 'phone');
    expect(jid.bare().toString()).toBe('alice@example.com');
    expect(jid.bare().bare()).toEqual(jid.bare());
  });

  it('equals another one only if all three parts are the same', () => {
    const jid = new Jid('alice', 'example.com', 'phone');
    expect(jid.equals(new Jid('alice', 'example.com', 'phone'))).toBe(true);
    expect(jid.equals(new Jid('bob', 'example.com', 'phone'))).toBe(false);
    expect(jid.equals(new Jid('alice', 'example.org', 'phone'))).toBe(false);
    expect(jid.equals(jid.bare())).toBe(false);
  });
});
