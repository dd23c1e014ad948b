import type Http from 'node:http';

/**
 * `node:http` without an import: an import reads every export, and from Node 22 on so evaluates a WebSocket client, which
 * takes longer than a bare start of Node.
 */
export const http: typeof Http = process.getBuiltinModule('node:http');
