/** The part of a WebSocket that a guest's page needs, so that something else can carry the same messages. */
export interface Socket {
  binaryType: BinaryType;
  readonly readyState: number;
  readonly OPEN: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>): void;
  close(code?: number): void;
}
