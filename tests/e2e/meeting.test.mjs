// Five pages in Chromium.
import { assembly } from './lib/assembly.mjs';

assembly('a branch assembly in Chromium');
