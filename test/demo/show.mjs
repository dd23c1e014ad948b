const LEFT = 27;
const RIGHT = 49;
const HEADERS = ['content-type', 'webhook-id', 'user-agent'];

const isColoured = process.stdout.isTTY && process.env.NO_COLOR === undefined;
const paint = (code, text) => (isColoured ? `\u001B[${code}m${text}\u001B[0m` : text);
export const bold = (text) => paint(1, text);
export const dim = (text) => paint(2, text);

/** Heads the two columns. */
export function showHeading() {
  console.log(`\n${bold('what was written'.padEnd(LEFT))} ${dim('│')} ${bold('what the receiver got')}`);
}

/** Shows a message beside the notification it became. */
export function showPair({ number, from, to, text, afterMs }, { method, url, headers, body }) {
  const plain = (line) => line;
  const left = [
    [`${number}. ${from} to ${to}`, plain],
    ['', plain],
    ...wrapWords(text).map((line) => [line, bold]),
    ['', plain],
    [`${Math.round(afterMs)} ms later`, dim],
  ];
  const right = [
    [`${method} ${url}`, plain],
    ...HEADERS.filter((name) => name in headers).flatMap((name) => {
      return cut(`${name}: ${headers[name]}`).map((line) => [line, dim]);
    }),
    ['', plain],
    ...body.split(/(?=&)/).flatMap((field) => cut(field).map((line) => [line, bold])),
  ];
  console.log(dim(`${'─'.repeat(LEFT)}─┼─${'─'.repeat(RIGHT)}`));
  for (let row = 0; row < Math.max(left.length, right.length); row += 1) {
    const [leftText, paintLeft] = left[row] ?? ['', plain];
    const [rightText, paintRight] = right[row] ?? ['', plain];
    console.log(`${paintLeft(leftText.padEnd(LEFT))} ${dim('│')} ${paintRight(rightText)}`.trimEnd());
  }
}

function wrapWords(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= LEFT) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function cut(text) {
  return text.match(new RegExp(`.{1,${RIGHT}}`, 'gs')) ?? [''];
}
