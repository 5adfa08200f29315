// The nouns of machines, scaling and emptying, made from the OpenAPI document (api/types.ts). Everyone imports them from here.
// Money is whole micro-euros in fields that end in _micro_eur; a time that is not known is left out.
import type { components } from '../api/schema';

type S = components['schemas'];

export type Machine = S['Machine'];
export type Scaling = S['Scaling'];
export type WaitingServer = S['WaitingServer'];
export type ScalingSettings = S['ScalingSettings'];
export type ScalingEntry = S['ScalingEntry'];
export type ScalingAction = S['ScalingAction'];
export type ScalingRejected = S['ScalingRejected'];
export type Why = S['Why'];
export type WhyNode = S['WhyNode'];
export type Garbage = S['Garbage'];
export type GarbageThing = S['GarbageThing'];
export type Drain = S['Drain'];
export type Drained = S['Drained'];
