/** How much is under way at once, over all invocations of an instance. */
export interface PressureLimits {
  readonly inFlightRequestsMax: number;
  readonly inFlightBytesMax: number;
}

/** Lets requests in up to a limit, so that a flood is pushed back instead of filling memory. */
export interface Pressure {
  /** What ends the stay of a request of `bytes`; undefined when there is no room for it now. */
  enter(bytes: number): (() => void) | undefined;
}

/** A request larger than the limit gets in only when nothing else is there. */
export function createPressure(limits: PressureLimits): Pressure {
  let requests = 0;
  let bytesInFlight = 0;
  return {
    enter(bytes) {
      const tooMany = requests >= limits.inFlightRequestsMax;
      const tooMuch = requests > 0 && bytesInFlight + bytes > limits.inFlightBytesMax;
      if (tooMany || tooMuch) return undefined;
      requests += 1;
      bytesInFlight += bytes;
      return () => {
        requests -= 1;
        bytesInFlight -= bytes;
      };
    },
  };
}
