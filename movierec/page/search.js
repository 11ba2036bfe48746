// Finding movies by title, by the rules of movierec/recommend/titles.py: case, articles, accents, a missing year and
// small typos do not matter. As a person types, titles that begin with the text, or have a word that does, are found.
const ARTICLES = "the|a|an|le|la|les|il|lo|el|los|las|der|die|das|l'";
const TYPO = 84;
const PART = 90; // of 100: the least score of a typo, and of a part of a title
const FOUND = 24;
const CLOSEST = 6; // movies in an answer, at most

function normalise(title) {
  const text = title
    .toLowerCase()
    .replaceAll("ß", "ss")
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replaceAll("&", " and ");
  const bare = text
    .trim()
    .replace(new RegExp(`,\\s*(${ARTICLES})\\s*$`), "")
    .replace(new RegExp(`^(${ARTICLES})\\s+`), "");
  return (bare.replaceAll("'", "").match(/[\p{L}\p{N}]+/gu) ?? []).join(" ");
}

// The title, the same without what is in parentheses, and that by itself.
function namesOf(title) {
  const inner = [...title.matchAll(/\(([^()]*)\)/g)].map(([, text]) => text.trim().replace(/^a\.?k\.?a\.?\s+/i, ""));
  const names = [title, title.replace(/\s*\([^()]*\)/g, ""), ...inner].map(normalise);
  return [...new Set(names)].filter(Boolean);
}

const shown = movie => (data.years[movie] ? `${data.titles[movie]} (${data.years[movie]})` : data.titles[movie]);
const index = lazily(() =>
  data.titles.map(title => ({
    names: namesOf(title),
    lead: title.includes(":") ? normalise(title.split(":")[0]) : "",
  })),
);

// The length of the longest common subsequence.
function common(a, b) {
  let row = new Uint16Array(b.length + 1);
  for (const letter of a) {
    const next = new Uint16Array(b.length + 1);
    for (let j = 0; j < b.length; j++) next[j + 1] = letter === b[j] ? row[j] + 1 : Math.max(row[j + 1], next[j]);
    row = next;
  }
  return row[b.length];
}

// Their likeness of 100; 0 where the lengths alone exclude `least`.
function ratio(a, b, least) {
  const whole = a.length + b.length;
  return !whole || 200 * Math.min(a.length, b.length) < least * whole ? 0 : (200 * common(a, b)) / whole;
}

// rapidfuzz's token_set_ratio: of the words that both have, alone and with each one's other words.
function partRatio(a, b) {
  const [ofA, ofB] = [a, b].map(text => [...new Set(text.split(" "))].sort());
  const both = ofA.filter(word => ofB.includes(word)).join(" ");
  const others = [
    [ofA, ofB],
    [ofB, ofA],
  ].map(([mine, its]) => mine.filter(word => !its.includes(word)).join(" "));
  if (both && others.includes("")) return 100;
  const whole = others.map(text => (both ? `${both} ${text}` : text));
  const alone = both ? whole.map(text => ratio(both, text, PART)) : [];
  return Math.max(ratio(whole[0], whole[1], PART), ...alone);
}

// The mean over the words of a query, of the nearest word of a name: for what no other rule finds.
function wordRatio(query, name) {
  const words = name.split(" ");
  return query
    .split(" ")
    .reduce((sum, word, _, all) => sum + Math.max(...words.map(of => ratio(word, of, 0))) / all.length, 0);
}

const numbersIn = text => (text.match(/\d+/g) ?? []).join();
const better = (score, movies) =>
  movies.sort((a, b) => score(b) - score(a) || data.liked_by[b] - data.liked_by[a] || a - b);

// The movies with at least that score, the best first.
function scored(ratioOf, least) {
  const scores = data.titles.map((_, movie) => ratioOf(index()[movie], movie));
  return better(
    movie => scores[movie],
    [...scores.keys()].filter(movie => scores[movie] >= least),
  );
}

// 4: the name; 3: its lead; 2: its beginning; 1: the beginning of a word.
function asTyped({ names, lead }, wanted) {
  if (names.includes(wanted)) return 4;
  if (lead === wanted) return 3;
  return Math.max(...names.map(name => (name.startsWith(wanted) ? 2 : Number(` ${name}`.includes(` ${wanted}`)))), 0);
}

// The movies that a text may mean, the best first; `closest` where it is none's title, and these are the nearest.
function find(query) {
  const text = query.replace(/\s*\(\d{0,3}$/, ""); // a year that is being typed
  const dated = text.match(/^(.*?)\s*\(?\b((?:18|19|20)\d\d)\)?\s*$/);
  const year = dated?.[1].trim() ? Number(dated[2]) : 0;
  const wanted = normalise(year ? dated[1] : text);
  const asked = normalise(text);
  if (!wanted) return { movies: [], closest: false };
  const ofYear = movie => !year || data.years[movie] === year;
  const answers = [
    () => scored((of, movie) => Math.max(asTyped(of, asked), ofYear(movie) ? asTyped(of, wanted) : 0), 1),
    () => scored(({ names }, movie) => (ofYear(movie) ? typo(names, wanted) : 0), TYPO),
    () => scored(({ lead }, movie) => (ofYear(movie) && lead ? typo([lead], wanted) : 0), TYPO),
    () =>
      wanted.length < 3
        ? []
        : scored(({ names }, movie) => (ofYear(movie) ? most(names, name => partRatio(wanted, name)) : 0), PART),
  ];
  for (const answer of answers) {
    const movies = answer();
    if (movies.length) return { movies: movies.slice(0, FOUND), closest: false };
  }
  return {
    movies: scored(({ names }) => most(names, name => wordRatio(wanted, name)), 1).slice(0, CLOSEST),
    closest: true,
  };
}

const most = (names, score) => Math.max(...names.map(score), 0);

// A different number is no typo: "terminatr 2" is Terminator 2, not The Terminator.
function typo(names, wanted) {
  const number = numbersIn(wanted);
  return most(
    names.filter(name => numbersIn(name) === number),
    name => ratio(wanted, name, TYPO),
  );
}
