// The API's nouns. ./schema.d.ts is made from the controller's OpenAPI document by `npm run types` (make web does it).
import type { components } from './schema';

type S = components['schemas'];

export type Server = S['Server'];
export type Usage = S['Usage'];
export type Exit = S['Exit'];
export type CreateServer = S['CreateServer'];
export type PatchServer = S['PatchServer'];
export type CommandReply = S['CommandReply'];
export type Line = S['Line'];
export type Lines = S['Lines'];
export type ConsoleMessage = S['ConsoleMessage'];
export type Samples = S['Samples'];
export type Point = S['Point'];
export type Node = S['Node'];
export type Token = S['Token'];
export type CreateToken = S['CreateToken'];
export type Event = S['Event'];
export type Template = S['Template'];
export type TemplateEnv = S['TemplateEnv'];
export type Status = S['Status'];
export type Session = S['Session'];
export type Recovery = S['Recovery'];
export type RecoveryFinding = S['RecoveryFinding'];
export type RecoveryClaim = S['RecoveryClaim'];
export type Adopted = S['Adopted'];
export type Problem = S['Problem'];

export interface Page<T> {
  items: T[] | null;
  next?: string;
}

/** What an owner can ask of a server. */
export type Verb = 'start' | 'stop' | 'restart' | 'kill';
