import type Http from 'node:http';

/**
 * `node:http`, not by an import of it: that reads every export, and so from Node 22 on evaluates a WebSocket client, which
 * takes longer than a bare start of Node.
 */
export const http: typeof Http = process.getBuiltinModule('node:http');
