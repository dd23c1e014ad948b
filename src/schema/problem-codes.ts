/** An error keeps the sidecar from running; a warning does not. */
export type Severity = 'error' | 'warning';

interface ProblemKind {
  readonly severity: Severity;
  /** What is wrong in general; the message of a problem says it of one place. */
  readonly meaning: string;
}

const kinds = {
  'unreadable-file': {
    severity: 'error',
    meaning: 'the file does not exist, cannot be read, or is not UTF-8',
  },
  'empty-file': { severity: 'error', meaning: 'the file holds only white space and comments' },
  'invalid-yaml': { severity: 'error', meaning: 'the file is not YAML 1.2' },
  'invalid-reference': {
    severity: 'error',
    meaning: '`${` is not followed by the name of a variable and `}`',
  },
  'missing-variable': { severity: 'error', meaning: 'an environment variable is not set and has no default' },
  'unknown-key': { severity: 'error', meaning: 'no section has a key of this name' },
  'misplaced-key': { severity: 'error', meaning: 'the key belongs in another section' },
  unsupported: { severity: 'error', meaning: 'this version does not support this key or word yet' },
  'missing-key': { severity: 'error', meaning: 'a key that has no default is missing' },
  'wrong-type': {
    severity: 'error',
    meaning: 'the value has a wrong type; the key needs a text, a number, a list or a section',
  },
  'invalid-value': {
    severity: 'error',
    meaning: 'the value has a wrong form, or is out of range',
  },
  'invalid-secret': {
    severity: 'error',
    meaning: 'the secret is empty, or has characters that servers hash in different ways',
  },
  'unreadable-secret-file': {
    severity: 'error',
    meaning: 'the secret file does not exist or cannot be read',
  },
  'conflicting-keys': { severity: 'error', meaning: 'two keys are set that cannot be used together' },
  duplicate: { severity: 'error', meaning: 'a value that must be unique is repeated' },
  'no-trusted-domain': {
    severity: 'error',
    meaning: 'a pool has `scope: host`, but `component.trusted_domains` is empty',
  },
  'nobody-trusted': {
    severity: 'warning',
    meaning: 'a tap for copies is configured, but `component.trusted_domains` is empty',
  },
  'own-domain-trusted': {
    severity: 'warning',
    meaning: "`component.trusted_domains` has the component's own domain, which never sends copies",
  },
  'short-silence': {
    severity: 'warning',
    meaning: '`component.timeouts.silence` is too short: a quiet server counts as dead before it is pinged',
  },
  'unknown-pool': { severity: 'error', meaning: 'a backend names a pool that does not exist' },
  'unusable-callback-module': {
    severity: 'error',
    meaning: 'a callback module does not exist or cannot be loaded',
  },
  'misspelt-callback': {
    severity: 'warning',
    meaning: 'a callback module exports a function whose name is nearly that of a callback',
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;

/** Names a kind of problem; stable, for programs. */
export type ProblemCode = keyof typeof kinds;

/** Every kind of problem that a configuration can have; the only place where codes are. */
export const problemCodes: Readonly<Record<ProblemCode, ProblemKind>> = kinds;

/** What is wrong, for programs and in words. */
export interface ProblemText {
  readonly code: ProblemCode;
  /** Follows the path of the key: `must be a whole number`. */
  readonly message: string;
}

export function isProblemCode(code: unknown): code is ProblemCode {
  return typeof code === 'string' && Object.hasOwn(kinds, code);
}
