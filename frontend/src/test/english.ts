// Tests of models read English sentences.
import door from '../i18n/generated/guest/door.en';
import rest from '../i18n/generated/guest/rest.en';
import host from '../i18n/generated/host/all.en';
import { speak } from '../i18n/say';

const guest = [...door, ...rest];
speak(
  'en',
  host.map((text, i) => guest[i] ?? text),
);
