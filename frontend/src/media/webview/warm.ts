/**
 * Has the browser start what it only starts when it is first asked for: the threads and codecs of connections, the
 * processes that look after devices. Opens no device, connects to nothing, asks nobody.
 */
export function warm(): void {
  new RTCPeerConnection().close();
  navigator.mediaDevices?.enumerateDevices().catch(() => {}); // says the same when the devices are opened
}
