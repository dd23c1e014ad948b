// alice writes to bob, one message for each parameter: `docker compose run --rm chat 'Hi, Bob!'`.
import { once } from 'node:events';
import { XmppClient } from '../../test/demo/xmpp-client.mjs';

const PATIENCE_MS = 20_000;
const [texts, host] = [process.argv.slice(2), process.env.XMPP_HOST];
const signal = AbortSignal.timeout(PATIENCE_MS);
const user = { domain: 'localhost', password: 'secret', host, port: 5222, signal };
const alice = await XmppClient.login({ ...user, user: 'alice' });
const bob = await XmppClient.login({ ...user, user: 'bob' });
for (const text of texts.length === 0 ? ['Hi, Bob!'] : texts) {
  const arrival = once(bob, 'message', { signal });
  alice.chat('bob@localhost', text);
  const [received] = await arrival;
  console.log(`alice to bob: ${received}`);
}
alice.logOut();
bob.logOut();
