import {
  add,
  avgPool,
  concat,
  conv2dTranspose,
  fused,
  image,
  keep,
  maxPool,
  mean,
  mul,
  pad,
  relu,
  relu6,
  reshape,
  sigmoid,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  tensor,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import { type Layer, type Model, read } from './tflite';

type Activation = 'linear' | 'relu' | 'relu6';
type Values = (index: number) => Tensor;
type Run = (values: Values) => Tensor;

// Layers by their numbers in schema.fbs (BuiltinOperator).
const plain: Record<number, (x: Tensor4D) => Tensor> = {
  14: (x) => sigmoid(x), // LOGISTIC
  19: (x) => relu(x), // RELU
  117: (x) => mul(mul(x, relu6(add(x, 3))), 1 / 6), // HARD_SWISH
};

const padding = (layer: Layer) => (layer.option(0, 8) === 0 ? 'same' : 'valid');
const strides = (layer: Layer): [number, number] => [layer.option(2), layer.option(1)];
const activations: Record<number, Activation> = { 0: 'linear', 1: 'relu', 3: 'relu6' };
const activation = (layer: Layer, place: number): Activation =>
  activations[layer.option(place, 8)]!;
const activate = (x: Tensor, how: Activation): Tensor =>
  how === 'relu' ? relu(x) : how === 'relu6' ? relu6(x) : x;

/** A model that is ready to run, on the backend of TensorFlow.js that is set. */
export class Network {
  /** Of the input: height, width. */
  readonly height: number;
  readonly width: number;
  readonly #model: Model;
  readonly #weights = new Map<number, Tensor>();
  readonly #steps: { run: Run; output: number }[] = [];

  /** Takes a file of TensorFlow Lite. It throws if a layer is none that ours have. */
  constructor(bytes: ArrayBuffer) {
    this.#model = read(bytes);
    [, this.height = 0, this.width = 0] = this.#model.tensors[this.#model.input]!.shape;
    const { layers } = this.#model;
    const uses = new Map<number, number>();
    for (const { inputs } of layers) for (const i of inputs) uses.set(i, (uses.get(i) ?? 0) + 1);
    for (let at = 0; at < layers.length; at++) {
      const layer = layers[at]!;
      const following = layers[at + 1];
      // A rectifier behind a convolution is done in the same pass.
      const joined =
        (layer.code === 3 || layer.code === 4) &&
        following?.code === 19 &&
        following.inputs[0] === layer.outputs[0] &&
        uses.get(layer.outputs[0]!) === 1;
      const run = this.#compile(layer, joined);
      if (joined) at++;
      this.#steps.push({ run, output: (joined ? following : layer).outputs[0]! });
    }
  }

  /** Runs on an input of height × width × 3 numbers, and returns each output's. */
  run(input: Float32Array): Float32Array[] {
    const results = tidy(() => {
      const { input: first, outputs, tensors } = this.#model;
      const values = new Map<number, Tensor>([[first, tensor(input, tensors[first]!.shape)]]);
      const of: Values = (index) => values.get(index) ?? this.#weight(index);
      for (const { run, output } of this.#steps) values.set(output, run(of));
      return outputs.map(of);
    });
    return results.map((result) => {
      const data = result.dataSync() as Float32Array;
      result.dispose();
      return data;
    });
  }

  #data(index: number): Float32Array {
    const { data } = this.#model.tensors[index] ?? {};
    if (!data) throw new Error('a layer without its weights');
    return data;
  }

  #weight(index: number): Tensor {
    const known = this.#weights.get(index);
    if (known) return known;
    return this.#keep(index, keep(tensor(this.#data(index), this.#model.tensors[index]!.shape)));
  }

  #keep(index: number, weight: Tensor): Tensor {
    this.#weights.set(index, weight);
    return weight;
  }

  /** Weights in the order that TensorFlow.js wants. */
  #filter(index: number, order: number[]): Tensor4D {
    const { shape } = this.#model.tensors[index]!;
    const weight = tidy(() => transpose(tensor(this.#data(index), shape), order));
    return this.#keep(index, weight) as Tensor4D;
  }

  #compile(layer: Layer, joined: boolean): Run {
    const [a = -1, b = -1] = layer.inputs;
    if (typeof layer.code === 'string') return this.#transposed(layer);
    const simple = plain[layer.code];
    if (simple) return (of) => simple(of(a) as Tensor4D);
    switch (layer.code) {
      case 0: // ADD
        return (of) => activate(add(of(a), of(b)), activation(layer, 0));
      case 18: // MUL
        return (of) => activate(mul(of(a), of(b)), activation(layer, 0));
      case 3: // CONV_2D
      case 4: // DEPTHWISE_CONV_2D
        return this.#convolution(layer, joined);
      case 1: // AVERAGE_POOL_2D
      case 17: {
        // MAX_POOL_2D
        const pool = layer.code === 1 ? avgPool : maxPool;
        const size: [number, number] = [layer.option(4), layer.option(3)];
        return (of) => pool(of(a) as Tensor4D, size, strides(layer), padding(layer));
      }
      case 40: {
        // MEAN
        const axes = [...this.#data(b)];
        return (of) => mean(of(a), axes, layer.option(0, 8) !== 0);
      }
      case 34: {
        // PAD
        const sides = [...this.#data(b)];
        const pairs = sides.flatMap((_, i) =>
          i % 2 ? [] : [[sides[i]!, sides[i + 1]!] as [number, number]],
        );
        return (of) => pad(of(a), pairs);
      }
      case 23: {
        // RESIZE_BILINEAR
        const [height, width] = this.#data(b);
        const [corners, centers] = [layer.option(2, 8) !== 0, layer.option(3, 8) !== 0];
        return (of) =>
          image.resizeBilinear(of(a) as Tensor4D | Tensor3D, [height!, width!], corners, centers);
      }
      case 22: {
        // RESHAPE
        const { shape } = this.#model.tensors[layer.outputs[0]!]!;
        return (of) => reshape(of(a), shape);
      }
      case 2: // CONCATENATION
        return (of) => concat(layer.inputs.map(of), layer.option(0));
      default:
        throw new Error(`a layer of kind ${layer.code}`);
    }
  }

  #convolution(layer: Layer, joined: boolean): Run {
    const [a = -1, b = -1, c = -1] = layer.inputs;
    const deep = layer.code === 4;
    // They are [out, height, width, in], or [1, height, width, channels] if each channel is for itself.
    const filter = this.#filter(b, [1, 2, 3, 0]);
    const run = deep ? fused.depthwiseConv2d : fused.conv2d;
    const how = joined ? 'relu' : activation(layer, deep ? 4 : 3);
    return (of) =>
      run({
        x: of(a) as Tensor4D,
        filter,
        strides: strides(layer),
        pad: padding(layer),
        bias: of(c),
        activation: how,
      });
  }

  /** The one custom layer that ours have: it makes a picture larger, and adds to it. */
  #transposed({ code, inputs, outputs, custom }: Layer): Run {
    if (code !== 'Convolution2DTransposeBias') throw new Error(`a layer called ${code}`);
    const [a = -1, b = -1, c = -1] = inputs;
    const filter = this.#filter(b, [1, 2, 0, 3]);
    const how = custom.getInt32(0, true) === 1 ? 'same' : 'valid'; // TfLitePadding
    const step: [number, number] = [custom.getInt32(8, true), custom.getInt32(4, true)];
    const shape = this.#model.tensors[outputs[0]!]!.shape as [number, number, number, number];
    return (of) => add(conv2dTranspose(of(a) as Tensor4D, filter, shape, step, how), of(c));
  }
}
