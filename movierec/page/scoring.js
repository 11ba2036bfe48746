// The data of the page, and what it computes from them. Each function has its counterpart in the library: scores in
// movierec/page/newcomers.py, reasons and variety in movierec/recommend/reasons.py and reranking.py.
const data = JSON.parse(document.getElementById("data").textContent);
const N = data.titles.length;
const NONE = 65535;
const POOL = 5; // candidates per place, for variety
const REASONS = 3; // at most, for a recommendation

const lazily = make => {
  let value;
  return () => (value ??= make());
};

function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < out.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

const numbers = (text, kind) => new kind(bytes(text).buffer);

// Vectors from 8 bits and a scale for each.
function unpacked({ dim, values, scales }) {
  const whole = numbers(values, Int8Array);
  const scale = numbers(scales, Float32Array);
  const out = new Float32Array(whole.length);
  for (let i = 0, row = 0; row < scale.length; row++)
    for (let d = 0; d < dim; d++, i++) out[i] = whole[i] * scale[row];
  return { dim, values: out };
}

// Rising numbers, in groups of `counts`, from LEB128.
function fromGaps(text, counts) {
  const gaps = bytes(text);
  const out = new Uint16Array(counts.reduce((sum, count) => sum + count, 0));
  let at = 0;
  let place = 0;
  for (const count of counts) {
    let item = -1;
    for (const end = place + count; place < end; place++) {
      let gap = 0;
      let shift = 0;
      do {
        gap |= (gaps[at] & 127) << shift;
        shift += 7;
      } while (gaps[at++] & 128);
      out[place] = item += gap + 1;
    }
  }
  return out;
}

const vectors = lazily(() => unpacked(data.vectors));
const messages = lazily(() => unpacked(data.messages));
const rest = lazily(() => unpacked(data.rest));
const weights = lazily(() => unpacked(data.weights));
const kept = lazily(() => fromGaps(data.kept, new Array(N).fill(data.kept_per_movie)));
const meanVector = lazily(() => {
  const { dim, values } = vectors();
  const mean = new Float64Array(dim);
  for (let i = 0; i < values.length; i++) mean[i % dim] += values[i] / N;
  return mean;
});

function dot({ dim, values }, row, vector) {
  let sum = 0;
  for (let d = 0, at = row * dim; d < vector.length; d++, at++) sum += values[at] * vector[d];
  return sum;
}

const rowOf = ({ dim, values }, row) => values.subarray(row * dim, (row + 1) * dim);

// Makes their mean 0 and their deviation 1, in place; returns what the deviation was.
function standardised(scores) {
  let mean = 0;
  let variance = 0;
  for (const score of scores) mean += score / N;
  for (const score of scores) variance += (score - mean) ** 2 / N;
  const deviation = Math.max(Math.sqrt(variance), 1e-12);
  for (let i = 0; i < N; i++) scores[i] = (scores[i] - mean) / deviation;
  return deviation;
}

// The sum of the messages of a history, a map from movies to weights: its direction, and its length.
function propagated(history) {
  const { dim } = messages();
  const sum = new Float64Array(dim);
  for (const [movie, weight] of history)
    rowOf(messages(), movie).forEach((value, d) => {
      sum[d] += weight * value;
    });
  const length = Math.max(Math.hypot(...sum), 1e-12);
  return { direction: sum.map(value => value / length), length };
}

function partsOf(history) {
  const { direction, length } = propagated(history);
  const per = data.kept_per_movie;
  const byGraph = new Float64Array(N);
  const byItems = new Float64Array(N);
  for (let i = 0; i < N; i++) byGraph[i] = dot(vectors(), i, direction);
  for (const [movie, weight] of history)
    for (let at = movie * per; at < (movie + 1) * per; at++) byItems[kept()[at]] += weight * weights().values[at];
  return { direction, length, byGraph, byItems, ofGraph: standardised(byGraph), ofItems: standardised(byItems) };
}

// From stars to weights: as in training, and a little below 0 for a movie that is not liked.
const weightOf = stars => data.star_weights[stars - 1];
const historyOf = ratings => new Map([...ratings].map(([movie, stars]) => [movie, weightOf(stars)]));

// The scores of all movies for someone new, the one place that computes them.
function scoreNew(history) {
  const { direction, byGraph, byItems } = partsOf(history);
  const scores = new Float64Array(N);
  const [graph, items] = data.mix;
  const { dim, values } = rest();
  for (let i = 0; i < N; i++) {
    scores[i] = graph * byGraph[i] + items * byItems[i];
    if (dim) scores[i] += dot(rest(), i, direction) + values[(i + 1) * dim - 1];
  }
  return scores;
}

// For each movie, the liked ones of a history that contribute most to its score, with their shares of what is positive.
function reasonsFor(history, movies) {
  const { length, ofGraph, ofItems } = partsOf(history);
  const [graph, items] = data.mix;
  const per = data.kept_per_movie;
  const liked = [...history].filter(([, weight]) => weight > 0);
  return movies.map(movie => {
    const centred = rowOf(vectors(), movie).map((value, d) => value - meanVector()[d]);
    const parts = liked
      .map(([from, weight]) => {
        const at = kept()
          .subarray(from * per, (from + 1) * per)
          .indexOf(movie);
        const byGraph = dot(messages(), from, centred) / length / ofGraph;
        return {
          movie: from,
          part: weight * (graph * byGraph + (at < 0 ? 0 : (items * weights().values[from * per + at]) / ofItems)),
        };
      })
      .filter(({ part }) => part > 0)
      .sort((a, b) => b.part - a.part);
    const whole = parts.reduce((sum, { part }) => sum + part, 0);
    return parts.slice(0, REASONS).map(({ movie, part }) => ({ movie, share: part / whole }));
  });
}

// Movies by score, the best first; of equal ones, the lower index.
const byScore = (scores, movies) => movies.sort((a, b) => scores[b] - scores[a] || a - b);

// `count` of the candidates by maximal marginal relevance: each has the best balance of score and distance.
function diversified(candidates, scores, count, variety) {
  const high = scores[candidates[0]];
  const low = scores[candidates.at(-1)];
  const left = [...candidates];
  const chosen = [];
  const nearest = new Map(left.map(movie => [movie, 0]));
  const value = movie =>
    ((chosen.length ? 1 - variety : 1) * (scores[movie] - low)) / Math.max(high - low, 1e-12) -
    variety * nearest.get(movie);
  while (left.length && chosen.length < count) {
    let best = 0;
    left.forEach((movie, place) => {
      if (value(movie) > value(left[best])) best = place;
    });
    const [movie] = left.splice(best, 1);
    const vector = rowOf(vectors(), movie);
    for (const other of left) {
      const cosine = dot(vectors(), other, vector);
      nearest.set(other, chosen.length ? Math.max(nearest.get(other), cosine) : cosine);
    }
    chosen.push(movie);
  }
  return chosen;
}

function passes(movie, { genre, from, to }) {
  if (genre && !data.genres[movie].split("|").includes(genre)) return false;
  const year = data.years[movie]; // an unknown one passes no filter
  return !(from || to) || (year > 0 && year >= (from || 0) && year <= (to || Infinity));
}

function recommended(history, { filters = {}, variety = 0, count = 10 } = {}) {
  const scores = scoreNew(history);
  const unseen = [...data.titles.keys()].filter(movie => !history.has(movie) && passes(movie, filters));
  const candidates = byScore(scores, unseen).slice(0, variety ? POOL * count : count);
  return variety ? diversified(candidates, scores, count, variety) : candidates;
}

function similarTo(movie, count) {
  const vector = rowOf(vectors(), movie);
  const scores = Float32Array.from(data.titles, (_, i) => dot(vectors(), i, vector));
  return byScore(
    scores,
    [...data.titles.keys()].filter(other => other !== movie),
  ).slice(0, count);
}

// The histories of the users: their movies, and the weight of each.
const histories = lazily(() => {
  const counts = numbers(data.history_counts, Uint16Array);
  const begins = [0];
  for (const count of counts) begins.push(begins.at(-1) + count);
  return { items: fromGaps(data.histories, counts), begins };
});

function historyOfUser(user) {
  const { items, begins } = histories();
  const n = data.levels.length;
  const history = new Map();
  data.levels.forEach((weight, level) => {
    const at = user * n + level;
    for (const movie of items.subarray(begins[at], begins[at + 1])) history.set(movie, weight);
  });
  return history;
}
