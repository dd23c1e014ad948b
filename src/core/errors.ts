/** An error whose message holds neither texts of people nor secrets, so that it may be logged. */
export class PlainError extends Error {
  override readonly name = 'PlainError';
}
