// Reads models in the format of TensorFlow Lite (schema.fbs, version 3), as far as our two kinds have it. The files are
// our own, of the same origin.

/** A tensor of a model; data are its weights, if it has some. */
interface Shaped {
  shape: number[];
  data?: Float32Array;
}

/** What a layer does, by its number in schema.fbs; a custom one by its name. */
type Code = number | string;

export interface Layer {
  code: Code;
  /** Indices of tensors; -1 for one that is left out. */
  inputs: number[];
  outputs: number[];
  /** A number among the layer's options, by its place in the schema; 0 if it is not there. */
  option(place: number, bits?: 8 | 32): number;
  /** Bytes of a custom layer's options. */
  custom: DataView;
}

export interface Model {
  tensors: Shaped[];
  input: number;
  outputs: number[];
  layers: Layer[];
}

/** A number of 16 bits (IEEE 754 binary16). */
export function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Follows the references of a FlatBuffer: tables have a table of their fields' places, vectors begin with their length. */
class Buffer {
  readonly view: DataView;

  constructor(bytes: ArrayBuffer) {
    this.view = new DataView(bytes);
  }

  /** Where a table's field is, 0 if it is left out. */
  field(table: number, place: number): number {
    const fields = table - this.view.getInt32(table, true);
    const at = 4 + 2 * place;
    if (at >= this.view.getUint16(fields, true)) return 0;
    const offset = this.view.getUint16(fields + at, true);
    return offset && table + offset;
  }

  follow(at: number): number {
    return at + this.view.getUint32(at, true);
  }

  number(table: number, place: number, bits: 8 | 32 = 32): number {
    const at = this.field(table, place);
    if (!at) return 0;
    return bits === 8 ? this.view.getInt8(at) : this.view.getInt32(at, true);
  }

  bytes(table: number, place: number): DataView {
    const at = this.field(table, place);
    if (!at) return new DataView(this.view.buffer, 0, 0);
    const start = this.follow(at);
    return new DataView(this.view.buffer, start + 4, this.view.getUint32(start, true));
  }

  /** Places of a vector's elements, which take 4 bytes each. */
  elements(table: number, place: number): number[] {
    const at = this.field(table, place);
    if (!at) return [];
    const start = this.follow(at);
    return Array.from({ length: this.view.getUint32(start, true) }, (_, i) => start + 4 + 4 * i);
  }

  tables(table: number, place: number): number[] {
    return this.elements(table, place).map((at) => this.follow(at));
  }

  numbers(table: number, place: number): number[] {
    return this.elements(table, place).map((at) => this.view.getInt32(at, true));
  }

  text(table: number, place: number): string {
    const { buffer, byteOffset, byteLength } = this.bytes(table, place);
    return String.fromCharCode(...new Uint8Array(buffer, byteOffset, byteLength));
  }
}

const dequantize = 6;
const custom = 32;
const weightsOf: Record<number, (bytes: DataView) => Float32Array> = {
  0: ({ buffer, byteOffset, byteLength }) =>
    new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)), // FLOAT32
  1: (bytes) =>
    Float32Array.from({ length: bytes.byteLength / 2 }, (_, i) =>
      half(bytes.getUint16(2 * i, true)),
    ), // FLOAT16
  2: (bytes) =>
    Float32Array.from({ length: bytes.byteLength / 4 }, (_, i) => bytes.getInt32(4 * i, true)), // INT32
};

/** Reads a model; layers that only widen weights are done away with. It throws if this is none of our kinds. */
export function read(bytes: ArrayBuffer): Model {
  const file = new Buffer(bytes);
  const root = file.follow(0);
  const codes = file.tables(root, 1).map((code): Code => {
    const number = Math.max(file.number(code, 0, 8), file.number(code, 3)); // since 2020 also in 32 bits
    return number === custom ? file.text(code, 1) : number;
  });
  const [graph] = file.tables(root, 2);
  if (graph === undefined) throw new Error('no model');
  const buffers = file.tables(root, 4);
  const tensors = file.tables(graph, 0).map((tensor): Shaped => {
    const shape = file.numbers(tensor, 0);
    const weights = file.bytes(buffers[file.number(tensor, 2)]!, 0);
    if (weights.byteLength === 0) return { shape };
    const convert = weightsOf[file.number(tensor, 1, 8)];
    if (!convert) throw new Error('weights of an unknown type');
    return { shape, data: convert(weights) };
  });
  const layers: Layer[] = [];
  for (const operator of file.tables(graph, 3)) {
    const code = codes[file.number(operator, 0)]!;
    const inputs = file.numbers(operator, 1);
    const outputs = file.numbers(operator, 2);
    if (code === dequantize) {
      tensors[outputs[0]!] = tensors[inputs[0]!]!;
      continue;
    }
    const at = file.field(operator, 4);
    const options = at && file.follow(at);
    layers.push({
      code,
      inputs,
      outputs,
      option: (place, bits = 32) => (options ? file.number(options, place, bits) : 0),
      custom: file.bytes(operator, 5),
    });
  }
  return { tensors, input: file.numbers(graph, 1)[0]!, outputs: file.numbers(graph, 2), layers };
}
