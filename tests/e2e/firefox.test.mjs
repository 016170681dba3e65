// The same meeting with a Firefox ESR member: another engine sends and receives.
import { assembly } from './lib/assembly.mjs';

assembly('a branch assembly with a Firefox member', { firefox: true });
