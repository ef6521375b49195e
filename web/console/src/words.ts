// All texts of the console, in English and Chinese.

import { en } from "./words-en";
import { zh } from "./words-zh";

export type Word = keyof typeof en;

export const WORDS = { en, zh };
