/** "Did you mean": the candidates closest to a mistyped word. */

/** Beyond this nobody mistyped a name: it keeps the quadratic distance cheap on hostile input. */
const wordLengthMax = 64;

/** The best suggestion, or undefined when nothing is close enough to be worth saying. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  return nearestFew(word, candidates, 1)[0];
}

/** Up to `count` candidates, the closest first, ties in the candidates' order. */
export function nearestFew(word: string, candidates: Iterable<string>, count: number): string[] {
  if (word.length > wordLengthMax) return [];
  return [...candidates]
    .map((candidate) => ({ candidate, distance: score(word, candidate) }))
    .filter(({ candidate, distance }) => Math.floor(distance) <= threshold(word, candidate))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

/** Two slips in five letters are a typo, more is another word. Leading dashes of flags are no letters. */
function threshold(word: string, candidate: string): number {
  const letters = Math.max(bare(word).length, bare(candidate).length);
  return letters < 2 ? 0 : Math.max(1, Math.floor(letters * 0.4));
}

/** Letter case decides ties only; an unfinished word (two letters or more) costs one slip. */
function score(word: string, candidate: string): number {
  if (candidate.length > wordLengthMax) return Infinity;
  const [a, b] = [word.toLowerCase(), candidate.toLowerCase()];
  const distance = editDistance(a, b);
  const isUnfinished = bare(a).length >= 2 && b.startsWith(a);
  return (isUnfinished ? Math.min(distance, 1) : distance) + (word === candidate ? 0 : 0.01);
}

function bare(word: string): string {
  return word.replace(/^-+/, "");
}

/** Optimal string alignment: insert, delete, replace or swap two neighbours, each costs 1. */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      let best = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (isSame ? 0 : 1),
      );
      const isSwap = row > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (isSwap) best = Math.min(best, at(beforePrevious, column - 2) + 1);
      current.push(best);
    }
    [beforePrevious, previous] = [previous, current];
  }
  return at(previous, b.length);
}

function at(row: number[], column: number): number {
  return row[column] ?? Infinity;
}
