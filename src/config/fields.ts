import { z } from 'zod';
import { Secret } from '../shared/secret.ts';

/** The settings a configuration may refer to as `${NAME}`: app settings, or Key Vault references behind them. */
export type Settings = Readonly<Record<string, string | undefined>>;

const reference = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;
const wholeReference = /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/;

/** The largest delay that a timer of the platform can hold, and a bound for every duration here. */
export const durationMsMax = 2_147_483_647;

/** Turns a function that says what is wrong with a value, if anything is, into a check of a field. */
export function refuse<T>(problemOf: (value: T) => string | undefined) {
  return (context: z.core.ParsePayload<T>) => {
    const message = problemOf(context.value);
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
  };
}

/** A field name of HTTP (RFC 9110, section 5.1). */
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The name of an HTTP header. */
export const header = z.string().regex(headerName, 'must be the name of an HTTP header');

/** Milliseconds, with a default. */
export function duration(byDefault: number, description: string) {
  return z.int().min(1).max(durationMsMax).default(byDefault).describe(description);
}

/** A number of things, with a default and a bound. */
export function count(byDefault: number, max: number, description: string) {
  return z.int().min(1).max(max).default(byDefault).describe(description);
}

/** Fields whose text may refer to settings as `${NAME}`. */
export interface Fields {
  text(description: string): z.ZodType<string, string>;
  url(description: string): z.ZodType<string, string>;
  secret(description: string): z.ZodType<Secret, string>;
}

/** Makes the fields; a reference to a setting that is missing is an issue at its path. */
export function makeFields(settings: Settings): Fields {
  const text = (description: string) =>
    z
      .string()
      .transform((value, context) =>
        value.replace(reference, (whole, name: string) => {
          const setting = settings[name];
          if (setting !== undefined && setting !== '') return setting;
          context.addIssue({
            code: 'custom',
            message: `the setting ${name} is not set: add it to the app settings (locally: local.settings.json)`,
            // What the field asks of its value says nothing of one that is missing.
            continue: false,
          });
          return whole;
        }),
      )
      .describe(description);
  const url = (description: string) => text(description).pipe(z.string().check(refuse(urlProblem)));
  const secret = (description: string) =>
    z
      .string()
      .regex(wholeReference, 'holds a secret: name a setting, such as ${MY_SECRET}, never the value itself')
      .pipe(text(description))
      .transform((value) => new Secret(value))
      .describe(description);

  return { text, url, secret };
}

function urlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return 'must be an absolute http(s) URL';
  return url.username !== '' || url.password !== '' ? 'must not carry a user name or password' : undefined;
}
