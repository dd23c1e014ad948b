import { test } from 'vitest';
import { startProsody } from '../support/servers/prosody.ts';
import { containing } from '../support/servers/xml-stream.ts';
test('x', async () => {
    const s = await startProsody({ tap: 'module' });
    const a = await s.login('alice'), b = await s.login('bob'); await b.presence();
    for (const t of ['t1', 't2']) { a.send(`<message to='bob@localhost' type='chat' id='${t}'><body>x</body></message>`); await b.next(containing(t)); }
    await a.end(); await b.end();
    await s.stop();
    console.log(s.log().split('\n').filter((l) => /tap/.test(l)).join('\n'));
});
