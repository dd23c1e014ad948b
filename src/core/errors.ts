/** An error whose message may be logged: it holds no secret and nothing that users wrote. */
export class PlainError extends Error {
  override readonly name = 'PlainError';
}
