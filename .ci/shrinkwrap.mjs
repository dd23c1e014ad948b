// Makes npm-shrinkwrap.json for the package, of what the lock file says of production dependencies: for `npm ci` in the unpacked
// package, and for registries. (`npm install` of a tarball does not look at it: so package.json pins what must not move.)
import { readFileSync, writeFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const packages = Object.entries(lock.packages).filter(([, { dev }]) => dev !== true);
const own = { ...lock.packages[''], devDependencies: undefined };
const shrinkwrap = { ...lock, packages: { ...Object.fromEntries(packages), '': own } };
writeFileSync('npm-shrinkwrap.json', `${JSON.stringify(shrinkwrap, null, 2)}\n`);
