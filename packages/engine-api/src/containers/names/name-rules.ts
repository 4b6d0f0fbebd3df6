/** What a container may be called. */
import { randomBytes, randomInt } from 'node:crypto';
import { invalid } from '../../errors.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Checks a name a client chose and returns it without its leading slash. @throws EngineApiError `invalid_argument` */
export function checkContainerName(name: string): string {
  const bare = name.startsWith('/') ? name.slice(1) : name;
  if (!NAME.test(bare)) throw invalid(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`, 'INVALID_NAME');
  return bare;
}

/** A new id: 64 hexadecimal digits whose first twelve are not all decimal, so that a short id is never taken for a number. */
export function newContainerId(random: (size: number) => Buffer = randomBytes): string {
  for (;;) {
    const id = random(32).toString('hex');
    if (!/^\d{12}/.test(id)) return id;
  }
}

const ADJECTIVES = (
  'able agile amber ample apt awake bold brave breezy bright brisk calm candid careful cheerful clever cosmic cozy crisp curious daring deft eager early ' +
  'elegant fair fearless festive fleet fond frank free fresh gentle glad golden graceful handy happy hardy hearty honest humble jolly keen kind lively ' +
  'loyal lucid lucky merry mighty mild modest neat nifty nimble noble patient plucky polite proud quick quiet rapid ready robust serene sharp silent ' +
  'sincere smart snug solid spry steady stoic strong sunny swift tidy tranquil trusty upbeat vivid warm wise witty zealous zesty'
).split(' ');

const SURNAMES = (
  'abel archimedes avicenna babbage banach bartik bell bernoulli bohr boole brahe cantor carson cauchy cerf chandrasekhar church cori curie darwin ' +
  'descartes dijkstra dirac einstein engelbart euclid euler faraday fermat fermi feynman fibonacci floyd franklin galileo galois gauss germain goedel ' +
  'goldberg hamilton hawking herschel hertz hilbert hopper hypatia jemison johnson joliot kay kepler khayyam knuth kovalevskaya lagrange lamarr lamport ' +
  'laplace leavitt leibniz lovelace maxwell mccarthy meitner mendel mirzakhani morse nash newton nightingale noether pascal pasteur pauling perlman ' +
  'planck poincare ptolemy ramanujan ride ritchie rosalind sagan shannon spence sutherland tesla thompson tu turing volta wiles wing wozniak wright wu yalow'
).split(' ');

/** A name nobody chose: `adjective_surname`, with a digit from the second attempt on. */
export function randomContainerName(attempt = 0): string {
  const pick = (words: readonly string[]): string => words[randomInt(words.length)] ?? '';
  return `${pick(ADJECTIVES)}_${pick(SURNAMES)}${attempt === 0 ? '' : randomInt(10 ** attempt)}`;
}
