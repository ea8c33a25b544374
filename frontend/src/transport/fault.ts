import type { FaultCode } from './transport';

/** An error with a fault code. Its text never holds what a stranger sent. */
export class Fault extends Error {
  constructor(readonly code: FaultCode) {
    super(code);
  }
}

/** The code of an error; `internal` for one that nobody foresaw. */
export const codeOf = (error: unknown): FaultCode =>
  error instanceof Fault ? error.code : 'internal';
