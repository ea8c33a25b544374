/** Filters change the colours of the whole picture. */
export type FilterWord = 'warm' | 'cool' | 'mono' | 'bright';

/** Backgrounds stand behind the person; a model says where that one is. */
export type BackgroundWord = 'blur' | 'plain' | 'hills' | 'sea' | 'books';

/** Stickers follow faces, which a model finds. */
export type StickerWord = 'hat' | 'glasses' | 'cat';

/** What needs a model, and so a scene. */
export type SceneWord = BackgroundWord | StickerWord;

/** Words of Choice.effect. */
export type EffectWord = FilterWord | SceneWord;

const filters = new Set<string>(['warm', 'cool', 'mono', 'bright'] satisfies FilterWord[]);
const backgrounds = new Set<string>([
  'blur',
  'plain',
  'hills',
  'sea',
  'books',
] satisfies BackgroundWord[]);
const stickers = new Set<string>(['hat', 'glasses', 'cat'] satisfies StickerWord[]);

export const isFilter = (word: string): word is FilterWord => filters.has(word);
export const isBackground = (word: string): word is BackgroundWord => backgrounds.has(word);
export const isSticker = (word: string): word is StickerWord => stickers.has(word);
