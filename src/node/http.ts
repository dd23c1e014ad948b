import type Http from 'node:http';

/**
 * `node:http` without an import. An import reads every export, so from Node 22 on it evaluates a WebSocket client.
 * That takes longer than a bare start of Node.
 */
export const http: typeof Http = process.getBuiltinModule('node:http');
