/** What carries messages between a page and a call: for guests sealed, through a relay; for the host's window over loopback. */
export { type LinkAddress, parseLocation } from './address';
export { GuestTransport } from './guest';
export {
  type DeviceState,
  LoopbackTransport,
  type OwnScreenState,
  type Screens,
  type VideoFrame,
} from './loopback';
export type * from './transport';
