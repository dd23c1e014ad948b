import { describe, expect, it } from 'vitest';
import { joinUrl } from '../../src/delivery/http/request.ts';
import { testPool } from './pool.ts';

const server = 'http://localhost:8000';

describe('the URL of a request', () => {
  it.each([
    { server, prefix: '/webservice', path: '/notifications', url: `${server}/webservice/notifications` },
    { server, prefix: '/webservice/', path: '/notifications', url: `${server}/webservice/notifications` },
    { server, prefix: 'webservice', path: 'notifications', url: `${server}/webservice/notifications` },
    { server, prefix: '/webservice//', path: '//notifications', url: `${server}/webservice/notifications` },
    { server, prefix: '/', path: '/notifications', url: `${server}/notifications` },
    { server, prefix: '/', path: 'notifications', url: `${server}/notifications` },
    { server, prefix: '', path: '/notifications', url: `${server}/notifications` },
    { server: `${server}/`, prefix: '/', path: '/notifications', url: `${server}/notifications` },
    { server: `${server}/api`, prefix: '/', path: '/notifications', url: `${server}/api/notifications` },
    { server: `${server}/api/`, prefix: '/v1', path: '/n', url: `${server}/api/v1/n` },
    { server: 'https://[::1]:8443', prefix: '/a', path: 'b', url: 'https://[::1]:8443/a/b' },
    { server, prefix: '/a/b/', path: '/c/d/', url: `${server}/a/b/c/d/` },
  ])('has one slash at each joint: $server + $prefix + $path', ({ server: base, prefix, path, url }) => {
    expect(joinUrl(base, prefix, path)).toBe(url);
  });

  it.each([
    { prefix: '/webservice', path: '', url: `${server}/webservice` },
    { prefix: '/webservice/', path: '', url: `${server}/webservice/` },
    { prefix: '/', path: '', url: `${server}/` },
    { prefix: '', path: '', url: server },
  ])('gets no slash from an empty path: $prefix', ({ prefix, path, url }) => {
    expect(joinUrl(server, prefix, path)).toBe(url);
  });

  it.each([
    { path: '/n?q=1&r=%20', url: `${server}/hooks/n?q=1&r=%20` },
    { path: 'n?next=/a//b/', url: `${server}/hooks/n?next=/a//b/` },
    { path: '/n?u=http://example.com//x', url: `${server}/hooks/n?u=http://example.com//x` },
    { path: '/a%2Fb//c', url: `${server}/hooks/a%2Fb//c` },
  ])('keeps query and inner slashes: $path', ({ path, url }) => {
    expect(joinUrl(server, '/hooks', path)).toBe(url);
  });

  describe('differs from MongooseIM, which only puts the parts one after the other', () => {
    it.each([
      {
        prefix: '/webservice',
        path: '/notifications',
        theirs: '/webservicenotifications',
        ours: '/webservice/notifications',
      },
      { prefix: '/global/', path: '/notify', theirs: '/global/notify', ours: '/global/notify' },
      { prefix: '/', path: '', theirs: '/', ours: '/' },
      { prefix: '/', path: '//dbl', theirs: '//dbl', ours: '/dbl' },
      { prefix: '/', path: 'a/b?q=1&r=%20', theirs: '/a/b?q=1&r=%20', ours: '/a/b?q=1&r=%20' },
      { prefix: 'rel', path: 'x', theirs: 'relx', ours: '/rel/x' },
    ])('$prefix + $path: $ours, there $theirs', ({ prefix, path, ours, theirs }) => {
      expect(prefix + path.replace(/^\//, '')).toBe(theirs);
      expect(joinUrl(server, prefix, path)).toBe(server + ours);
    });

    it('and keeps a path in the server, which MongooseIM ignores', () => {
      expect(joinUrl('http://h:1/kept/path', '/', '/n')).toBe('http://h:1/kept/path/n');
    });
  });
});

describe('the receiver of a pool', () => {
  it.each([
    ['http://localhost:8000/webservice', 'localhost:8000'],
    ['http://push.example.com', 'push.example.com:80'],
    ['https://push.example.com/', 'push.example.com:443'],
    ['https://[::1]:8443', '[::1]:8443'],
  ])('is named by host and port: %s', (server, expected) => {
    expect(testPool(server).pool.receiver).toBe(expected);
  });
});
