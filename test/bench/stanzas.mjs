// What is sent: stanzas in the form in which our Prosody module forwards them (XEP-0297), built before anything is timed.

export const DOMAIN = 'example.com';
export const COMPONENT = 'push.example.com';

const FORM_BYTES = 110;

function text(user, domain) {
  const length = FORM_BYTES - `author=${author(user)}&server=${domain}&receiver=bob&message=`.length;
  return 'Hello-there-'.repeat(10).slice(0, length);
}

function author(user) {
  return `u${String(user).padStart(4, '0')}`;
}

/** The form that a chat message becomes. */
export function form(user, domain = DOMAIN) {
  return `author=${author(user)}&server=${domain}&receiver=bob&message=${text(user, domain)}`;
}

/** The same with the time in it. */
export function stampedForm(user) {
  return form(user).replace(/message=.{17}/, `message=${stamp()}`);
}

/** `t` and microseconds of the machine's uptime in 16 digits: every process here reads the same clock. */
function stamp() {
  return `t${String(process.hrtime.bigint() / 1000n).padStart(16, '0')}`;
}

/** A chat message from a user, forwarded to `sent@` (backends want it) or `received@` (the default callback does not). */
export function chat(user, { domain = DOMAIN, to = 'sent', body = text(user, domain) } = {}) {
  const id = `5ad2f0c3-8b5e-4f0c-a6f1-0d8f6c${author(user)}`;
  return (
    `<message from='${domain}' to='${to}@${COMPONENT}' id='9CJr06FQMRglSndbVozpEQhW'>` +
    `<forwarded xmlns='urn:xmpp:forward:0'>` +
    `<delay from='${domain}' stamp='2026-11-23T19:31:23Z' xmlns='urn:xmpp:delay'/>` +
    `<message from='${author(user)}@${domain}/phone.7c1f0a9e' id='${id}' xmlns='jabber:client' xml:lang='en' ` +
    `type='chat' to='bob@${domain}'><body>${body}</body>` +
    `<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>` +
    `<markable xmlns='urn:xmpp:chat-markers:0'/><origin-id xmlns='urn:xmpp:sid:0' id='${id}'/>` +
    `</message></forwarded></message>`
  );
}

/** A chat message that says when it was written. */
export function stampedChat(user) {
  return chat(user, { body: stamp() + text(user, DOMAIN).slice(17) });
}

/** One chat message of each of so many senders. */
export function chats(senders, options) {
  return Buffer.from(Array.from({ length: senders }, (_, user) => chat(user, options)).join(''));
}
