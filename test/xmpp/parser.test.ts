import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import xml from '@xmpp/xml';
import type { Element, Node } from '@xmpp/xml';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StanzaParser } from '../../src/xmpp/xml/parser.ts';
import type { XmlError } from '../../src/xmpp/xml/text.ts';
import { allow } from '../support/limits.ts';

allow('manyCases');

const HEADER =
  "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>";
const DECLARATION = "<?xml version='1.0'?>";
const FOOTER = '</stream:stream>';
const MEBIBYTE = 1024 * 1024;

interface Seen {
  readonly stanzas: Element[];
  readonly sizes: number[];
  /** Names of the events in order. */
  readonly events: string[];
  readonly errors: XmlError[];
}

function feed(chunks: Iterable<string>, maxStanzaSize = MEBIBYTE): Seen {
  const seen: Seen = { stanzas: [], sizes: [], events: [], errors: [] };
  const parser = new StanzaParser(maxStanzaSize);
  parser.on('start', () => seen.events.push('start'));
  parser.on('element', (element, bytes) => {
    seen.events.push('element');
    seen.stanzas.push(element);
    seen.sizes.push(bytes);
  });
  parser.on('skipped', () => seen.events.push('skipped'));
  parser.on('end', () => seen.events.push('end'));
  parser.on('error', (error) => {
    seen.events.push('error');
    seen.errors.push(error);
  });
  for (const chunk of chunks) parser.write(chunk);
  return seen;
}

/** Feeds one stanza in a stream of its own and gives it back. */
function parseOne(stanza: string): Element {
  const seen = feed([HEADER, stanza]);
  expect(seen.events).toEqual(['start', 'element']);
  return seen.stanzas[0] as Element;
}

/** The condition of the one error that a stream with this after its header ends with. */
function errorOf(text: string): string | undefined {
  const seen = feed([HEADER, text, '<message/>', '<']);
  expect(seen.errors, `${text} is an error`).toHaveLength(1);
  expect(seen.events.at(-1)).toBe('error');
  return seen.errors[0]?.condition;
}

/** One by one, as a StringDecoder could give them: it never cuts a character in two. */
function characters(text: string): string[] {
  return Array.from(text);
}

/** Elements as plain data: neighbouring texts are one, as XML sees it. */
function plain(element: Element): unknown {
  const children: unknown[] = [];
  for (const child of element.children) {
    if (typeof child !== 'string') children.push(plain(child));
    else if (typeof children.at(-1) === 'string') children.push((children.pop() as string) + child);
    else children.push(child);
  }
  return { name: element.name, attrs: { ...element.attrs }, children };
}

function libraryParse(text: string): Element[] {
  const stanzas: Element[] = [];
  const parser = new xml.Parser();
  parser.on('element', (element: Element) => stanzas.push(element));
  parser.write(text);
  return stanzas;
}

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9._-]{0,8}(:[A-Za-z_][a-z0-9]{0,4})?$/);
const text = fc
  .string({ unit: 'binary', maxLength: 30 })
  .map((value) => value.replace(/[^\t\n\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '☃'));
const attributes = fc.dictionary(
  name,
  text.map((value) => value.replace(/[\t\n]/g, ' ')),
  { maxKeys: 4 },
);
const { element } = fc.letrec<{ element: Element; node: Node }>((tie) => ({
  element: fc
    .tuple(name, attributes, fc.array(tie('node'), { maxLength: 4 }))
    .map(([tag, attrs, children]) => xml(tag, attrs, ...children)),
  node: fc.oneof({ depthSize: 'small' }, text, tie('element')),
}));
const stream = fc
  .array(fc.tuple(element, fc.stringMatching(/^[ \t\n]{0,3}$/)), { minLength: 1, maxLength: 5 })
  .map((stanzas) => HEADER + stanzas.map(([stanza, space]) => stanza.toString() + space).join(''));

/** The same text, cut at any places. */
function cut(whole: fc.Arbitrary<string>): fc.Arbitrary<{ whole: string; chunks: string[] }> {
  return fc.tuple(whole, fc.array(fc.nat(), { maxLength: 40 })).map(([value, cuts]) => {
    const all = characters(value);
    const places = [0, ...cuts.map((place) => place % (all.length + 1)), all.length].sort((a, b) => a - b);
    return {
      whole: value,
      chunks: places.slice(1).map((place, index) => all.slice(places[index], place).join('')),
    };
  });
}

describe('on any valid stream', () => {
  test('gives the elements that @xmpp/xml gives', () => {
    fc.assert(
      fc.property(stream, (value) => {
        expect(feed([value]).stanzas.map(plain)).toEqual(libraryParse(value).map(plain));
      }),
      { numRuns: 300 },
    );
  });

  test('gives the same elements and sizes however the stream is cut', () => {
    fc.assert(
      fc.property(cut(stream), ({ whole, chunks }) => {
        const expected = feed([whole]);
        for (const seen of [feed(chunks), feed(characters(whole))]) {
          expect(seen.events).toEqual(expected.events);
          expect(seen.sizes).toEqual(expected.sizes);
          expect(seen.stanzas.map(plain)).toEqual(expected.stanzas.map(plain));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('skips the same stanzas however the stream is cut', () => {
    fc.assert(
      fc.property(cut(stream), fc.integer({ min: 110, max: 300 }), ({ whole, chunks }, limit) => {
        const expected = feed([whole], limit);
        expect(feed(chunks, limit).events).toEqual(expected.events);
        expect(feed(characters(whole), limit).events).toEqual(expected.events);
        expect(expected.sizes.every((size) => size <= limit)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('gives elements of the class that @xmpp/xml has, below a header that keeps none of them', () => {
    const parser = new StanzaParser(MEBIBYTE);
    let header: Element | undefined;
    parser.on('start', (started) => (header = started));
    parser.on('element', (stanza) => {
      expect(stanza).toBeInstanceOf(xml.Element);
      expect(stanza.getNS()).toBe('jabber:component:accept');
      expect(stanza.root()).toBe(header);
    });
    parser.write(`${HEADER} <message><body>a</body></message> <presence/> `);
    expect(header?.children).toEqual([]);
  });
});

describe('on anything', () => {
  const confusing = fc.array(
    fc.constantFrom(
      '<',
      '>',
      '/',
      '=',
      '"',
      "'",
      '&',
      ';',
      '!',
      '?',
      '-',
      '[',
      ']',
      ' ',
      '\n',
      '\r',
      '\0',
      'a',
      'é',
      '😀',
      '<a>',
      '</a>',
      '<a/>',
      "<a b='c'>",
      '<![CDATA[',
      ']]>',
      '<!--',
      '-->',
      '&amp;',
      '&#65;',
      '<?xml',
      '?>',
    ),
    { maxLength: 60 },
  );

  test('write throws nothing, and after one error nothing comes', () => {
    fc.assert(
      fc.property(confusing, fc.boolean(), fc.integer({ min: 1, max: 200 }), (pieces, started, limit) => {
        const seen = feed([started ? HEADER : '', ...pieces], limit);
        expect(seen.errors.length).toBeLessThanOrEqual(1);
        if (seen.errors.length > 0) expect(seen.events.at(-1)).toBe('error');
      }),
      { numRuns: 1000 },
    );
  });

  test('the same is taken and the same refused however it is cut', () => {
    fc.assert(
      fc.property(confusing, (pieces) => {
        // What makes an unfinished tag wrong may be seen at once or only at its end: so let everything end.
        const ended = `${HEADER}${pieces.join('')}]]><a>`;
        expect(feed(characters(ended)).events).toEqual(feed([ended]).events);
      }),
      { numRuns: 1000 },
    );
  });

  test('without a listener an error is silent', () => {
    const parser = new StanzaParser(MEBIBYTE);
    parser.write('<a></b>');
    parser.write('<a></b>');
  });
});

describe('text', () => {
  test('has the five entities and character references replaced', () => {
    expect(parseOne('<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x1F600;&#xa;</a>').getText()).toBe('<>&"\'A😀\n');
    expect(parseOne('<a b="&lt;&quot;&#x9;"/>').attrs).toEqual({ b: '<"\t' });
  });

  test.each([
    '&nbsp;',
    '&',
    '&;',
    '&#;',
    '&#x;',
    '&amp',
    '&AMP;',
    '&#xg;',
    '& amp;',
    '&#1;',
    '&#0;',
    '&#xD800;',
    '&#xFFFE;',
    '&#x110000;',
    '&#99999999999999999999;',
  ])('with %s is an error', (reference) => {
    errorOf(`<a>${reference}</a>`);
    errorOf(`<a b='${reference}'/>`);
  });

  test.each(['\0', '\u0001', '\b', '\v', '\f', '\u001f', '\ufffe', '\uffff'])(
    'with the character %j is an error',
    (character) => {
      errorOf(`<a>${character}</a>`);
      errorOf(`<a b='${character}'/>`);
      errorOf(character);
    },
  );

  test('has CR LF and CR turned into LF, also where a chunk ends between them (XML 1.0, 2.11)', () => {
    for (const chunks of [['<a>1\r\n2\r3\n4\r\r\n5</a>'], characters('<a>1\r\n2\r3\n4\r\r\n5</a>')]) {
      expect(feed([HEADER, ...chunks]).stanzas[0]?.getText()).toBe('1\n2\n3\n4\n\n5');
    }
    expect(parseOne('<a>1&#13;&#10;2</a>').getText()).toBe('1\r\n2');
  });

  test('has white space in attributes turned into spaces, unless it is written as a reference (XML 1.0, 3.3.3)', () => {
    expect(parseOne("<a b='1\t2\n3\r\n4&#9;5&#10;6&#13;'/>").attrs['b']).toBe('1 2 3 4\t5\n6\r');
  });

  test('in CDATA is text as it stands', () => {
    const stanza = '<a>1<![CDATA[<b>&amp;]]]]><![CDATA[>]]>2<![CDATA[]]></a>';
    expect(parseOne(stanza).getText()).toBe('1<b>&amp;]]>2');
    expect(feed([HEADER, ...characters(stanza)]).stanzas[0]?.getText()).toBe('1<b>&amp;]]>2');
  });

  test('with a bare ]]> is taken, because a server may hand it on', () => {
    expect(parseOne('<a>]]></a>').getText()).toBe(']]>');
  });

  test('between stanzas is an error unless it is white space, which is dropped', () => {
    expect(feed([HEADER, ' \r\n\t', '<a/>', '\n'.repeat(100_000), '<b/>']).events).toEqual([
      'start',
      'element',
      'element',
    ]);
    errorOf('x');
    errorOf('&#32;');
    errorOf('<![CDATA[ ]]>');
    expect(feed(['HTTP/1.1 400 Bad Request\r\n']).events).toEqual(['error']);
  });
});

describe('tags', () => {
  test('are taken with white space wherever XML allows it', () => {
    expect(plain(parseOne("<a\n b = 'c'\td=\"e'>\" ><f\t/></a\n>"))).toEqual({
      name: 'a',
      attrs: { b: 'c', d: "e'>" },
      children: [{ name: 'f', attrs: {}, children: [] }],
    });
  });

  test.each([
    '</a>',
    '<a></b>',
    '<a><b></a></b>',
    '<a></ a>',
    '<a></a b="c">',
    '<a/ >',
    '<a / b="c">',
    '< a/>',
    '<>',
    '</>',
    '<1/>',
    '<-a/>',
    '<a b/>',
    '<a b=c/>',
    '<a b= />',
    '<a b="c><d e="f"/>',
    '<a b="c"d="e"/>',
    '<a b="1" b="2"/>',
    '<a b="<"/>',
    '<a <b/>',
    '<a "b"/>',
    '<a ="b"/>',
    '<a b=="c"/>',
    '<a,b/>',
    '<a &amp;="b"/>',
    '<a/></a>',
  ])('such as %s are an error', (tags) => {
    expect(errorOf(`<x>${tags}</x>`)).toBe('not-well-formed');
  });

  test('may have attributes named as what every object has', () => {
    expect(parseOne("<a constructor='1' hasOwnProperty='2' toString='3'/>").attrs).toEqual({
      constructor: '1',
      hasOwnProperty: '2',
      toString: '3',
    });
    expect(Object.keys(parseOne("<a __proto__='1' b='2'/>").attrs)).toEqual(['__proto__', 'b']);
    expect(parseOne("<a __proto__='1' b='2'/>").toString()).toBe('<a __proto__="1" b="2"/>');
    expect(errorOf("<a __proto__='1' __proto__='2'/>")).toBe('not-well-formed');
  });

  test('have no attribute that is not written there', () => {
    for (const { attrs } of [parseOne('<a/>'), parseOne("<a __proto__='1'/>")]) {
      for (const name of ['constructor', 'hasOwnProperty', 'toString']) expect(attrs[name]).toBeUndefined();
      expect('valueOf' in attrs).toBe(false);
    }
  });

  test('have the attributes of a namespace found, whatever else their attributes are called', () => {
    const element = parseOne(
      "<a xmlns:x='urn:x' xmlns:y='__proto__' hasOwnProperty='1' x:b='2' y:b='3'><c x:b='4'/></a>",
    );
    expect(element.getAttr('b', 'urn:x')).toBe('2');
    expect(element.getAttr('b', '__proto__')).toBe('3');
    expect(element.getChild('c')?.getAttr('b', 'urn:x')).toBe('4');
    expect(element.getAttr('b', 'constructor')).toBeNull();
  });

  test('keep all of their attributes in a copy', () => {
    const element = parseOne("<a xmlns:x='urn:x' __proto__='1' hasOwnProperty='2'><c __proto__='3'/></a>");
    // As the library's own clone() makes it.
    const copy = new (element.constructor as typeof xml.Element)(element.name, element.attrs);
    copy.append(...element.children);
    expect(copy.toString()).toBe(element.toString());
    expect(copy.attrs).not.toBe(element.attrs);
  });

  test('with a prefix that nobody declared are taken, so that no user can end the stream for all', () => {
    const stanza = parseOne("<message><x:y z:a='1'/></message>");
    expect(stanza.getChildElements()[0]?.getNS()).toBeUndefined();
  });
});

describe('the XML declaration', () => {
  test.each([
    DECLARATION,
    `<?xml version="1.0" encoding='UTF-8' standalone='yes' ?>`,
    '<?xml version = "1.1"?>',
    '',
  ])('%s is taken at the start', (declaration) => {
    expect(feed([`${declaration}${HEADER}`]).events).toEqual(['start']);
    expect(feed(characters(`${declaration}\n${HEADER}`)).events).toEqual(['start']);
  });

  test.each([
    ` ${DECLARATION}`,
    HEADER + DECLARATION,
    DECLARATION + DECLARATION,
    "<?xml version='1.0' encoding='latin1'?>",
    '<?xml?>',
    '<?>',
    `<?xml ${' '.repeat(999)}`,
  ])('%s is an error', (beginning) => {
    expect(feed([beginning]).events.at(-1)).toBe('error');
    expect(feed(characters(beginning)).events.at(-1)).toBe('error');
  });
});

describe('what XMPP forbids (RFC 6120, 11.1)', () => {
  test.each(['<!-- a -->', '<!DOCTYPE a>', '<!ENTITY a "b">', '<?php ?>', '<![INCLUDE[', '<!>'])(
    '%s is an error',
    (markup) => {
      for (const place of [markup, `<a>${markup}</a>`]) {
        expect(errorOf(place)).toBe('restricted-xml');
        expect(feed([HEADER, ...characters(place)]).errors[0]?.condition).toBe('restricted-xml');
      }
      expect(feed([markup]).errors[0]?.condition).toBe('restricted-xml');
      expect(feed([HEADER, '<a>', '<b>'.repeat(300), markup]).errors[0]?.condition).toBe('restricted-xml');
    },
  );
});

describe('the end', () => {
  test('of the stream is told once, and whatever follows is ignored', () => {
    expect(feed([HEADER, `<a/>${FOOTER}\0`]).events).toEqual(['start', 'element', 'end']);
    expect(feed([HEADER, `<a/>${FOOTER}\n<b/>`, '<', '\0', '</a>']).events).toEqual([
      'start',
      'element',
      'end',
    ]);
  });

  test('does not come before every stanza that stood before an error in the same chunk', () => {
    expect(feed([`${HEADER}<a/><b/><c></d><e/>`]).events).toEqual(['start', 'element', 'element', 'error']);
    expect(feed([`${HEADER}<a/><b/>\0`]).events).toEqual(['start', 'element', 'element', 'error']);
  });
});

describe('a stanza', () => {
  test('has its size told in bytes of UTF-8', () => {
    for (const stanza of ['<a/>', '<a>é€😀</a>', "<a b='é'><c>1</c></a>"]) {
      expect(feed([HEADER, ` ${stanza} <b/>`]).sizes).toEqual([Buffer.byteLength(stanza), 4]);
      expect(feed([HEADER, ...characters(`${stanza} <b/>`)]).sizes).toEqual([Buffer.byteLength(stanza), 4]);
    }
  });

  test('of exactly the largest size is given, one of a byte more is skipped', () => {
    const stanza = `<message><body>${'é'.repeat(100)}</body></message>`;
    const bytes = Buffer.byteLength(stanza);
    const chunkings = (value: string): string[][] => [[value], characters(value)];
    for (const chunks of chunkings(`${stanza}<next/>`)) {
      expect(feed([HEADER, ...chunks], bytes).events).toEqual(['start', 'element', 'element']);
      expect(feed([HEADER, ...chunks], bytes - 1).events).toEqual(['start', 'skipped', 'element']);
    }
  });

  const deep = (levels: number): string => '<a>'.repeat(levels) + '</a>'.repeat(levels);

  test('nested 256 deep, the header included, is given, and what is nested deeper is skipped', () => {
    expect(feed([HEADER, deep(255), '<b/>']).events).toEqual(['start', 'element', 'element']);
    expect(feed([HEADER, deep(256), '<b/>']).events).toEqual(['start', 'skipped', 'element']);
    expect(feed([HEADER, ...characters(deep(5000)), '<b/>']).events).toEqual(['start', 'skipped', 'element']);
    expect(feed([HEADER, deep(255), '<b/>']).stanzas[0]?.toString()).toHaveLength(255 * 7 - 3);
  });

  test.each(['<a></b>', '<a></c></a>', `${'<a>'.repeat(300)}${'</a>'.repeat(301)}</a>`])(
    'that is skipped is still an error if its tags do not match: <big>%s</big>',
    (inside) => {
      const seen = feed(
        [HEADER, `<big x='${'x'.repeat(500)}'>`, ...characters(`${inside}</big>`), '<next/>'],
        400,
      );
      expect(seen.events).toEqual(['start', 'error']);
    },
  );

  test('that is skipped ends where its own end tag is, whatever quotes and CDATA it holds', () => {
    const inside = `<c d="/big>'" e='>'/><![CDATA[</big>]]><big/><big></big >&anything;<f g='${'"/>'.repeat(9000)}'></f>`;
    for (const chunks of [
      [`<big>${'x'.repeat(500)}`, inside],
      characters(`<big>${'x'.repeat(500)}${inside}`),
    ]) {
      expect(feed([HEADER, ...chunks, '</big>', '<next/>'], 400).events).toEqual([
        'start',
        'skipped',
        'element',
      ]);
    }
  });

  test('that is skipped has no quote too many, which would hide the end of the stream', () => {
    for (const tag of ['<a b="', "<a '", '<a b=c"']) {
      const chunks = [`<big>${'x'.repeat(500)}`, tag, 'y', '</big>', '<next/>'];
      expect(feed([HEADER, ...chunks], 400).events).toEqual(['start', 'error']);
    }
  });

  test('that is skipped may have names of any length', () => {
    const [long, longer] = ['n'.repeat(3000), 'n'.repeat(20_000)];
    const stanza = `<big><${long}><${longer}></${longer}></${long}></big>`;
    for (const chunks of [[`<big><${long}>`, stanza.slice(5 + 3002)], characters(stanza)]) {
      expect(feed([HEADER, ...chunks, '<next/>'], 1000).events).toEqual(['start', 'skipped', 'element']);
    }
  });

  test('that is skipped is found to its end even if its first tag is what is too large', () => {
    for (const rest of ["y'/>", "y'></big>", "y'><a></a></big>"]) {
      const chunks = ["<big a='", 'x'.repeat(20_000), 'x'.repeat(20_000), rest, '<next/>'];
      expect(feed([HEADER, ...chunks], 1000).events).toEqual(['start', 'skipped', 'element']);
    }
  });
});

describe('what never ends', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const heapMegabytes = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed / MEBIBYTE;
  };

  test.each([
    ['white space between stanzas', '', ' '],
    ['text', '<a>', 'x'],
    ['an attribute', "<a b='", 'x'],
    ['the name of a tag', '<', 'x'],
    ['a tag full of attributes', '<a', " b='c'"],
    ['CDATA', '<a><![CDATA[', ']'],
    ['nesting', '', '<a>'],
    ['a row of children', '<a>', '<b/>'],
    ['an end tag', '<a></', 'x'],
  ])('%s takes no more memory than a stanza may have', (_what, beginning, repeated) => {
    const parser = new StanzaParser(MEBIBYTE);
    let skipped = 0;
    parser.on('skipped', () => (skipped += 1));
    parser.write(HEADER + beginning);
    const before = heapMegabytes();
    // Made again each time, or a parser that keeps everything would keep one and the same string.
    const part = Buffer.from(repeated.repeat(Math.ceil(65536 / repeated.length)));
    for (let bytes = 0; bytes < 24 * MEBIBYTE; bytes += part.length) parser.write(part.toString());
    expect(heapMegabytes() - before).toBeLessThan(10);
    expect(skipped).toBe(0);
  });

  test('is an error in the header', () => {
    expect(feed(["<a b='", 'x'.repeat(2000)], 1000).events).toEqual(['error']);
  });
});

test.each([
  ['text', '<a>', 'x', '</a>'],
  ['an attribute', "<a b='", 'x', "'/>"],
  ['CDATA', '<a><![CDATA[', ']', ']]></a>'],
  ['references', '<a>', '&amp;', '</a>'],
])(
  'a mebibyte of %s that comes character by character is read in time linear to its length',
  (_what, before, repeated, after) => {
    // A quadratic parser would need hours for it.
    const stanza = before + repeated.repeat(MEBIBYTE / repeated.length) + after;
    expect(feed([HEADER, ...characters(stanza)], 2 * MEBIBYTE).sizes).toEqual([stanza.length]);
  },
);
