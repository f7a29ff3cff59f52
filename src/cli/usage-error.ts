/** A mistake of the user's: printed as one sentence, without a stack trace. */
export class UsageError extends Error {
  /** 1: it failed; 2: the words of the command line are wrong; 3: found, but not healthy. */
  readonly exitCode: 1 | 2 | 3;
  constructor(message: string, exitCode: 1 | 2 | 3 = 1, options?: ErrorOptions) {
    super(message, options);
    this.name = "UsageError";
    this.exitCode = exitCode;
  }
}
