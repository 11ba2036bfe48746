// Drawn covers: colours and shapes by genre, varied by title. Posters would not be free to share.
// Of a genre: hue, saturation.
const HUES = {
  Action: [8, 62],
  Adventure: [28, 60],
  Animation: [196, 60],
  "Children's": [46, 58],
  Comedy: [36, 66],
  Crime: [348, 42],
  Documentary: [160, 36],
  Drama: [224, 44],
  Fantasy: [276, 46],
  "Film-Noir": [230, 10],
  Horror: [0, 70],
  Musical: [316, 46],
  Mystery: [254, 40],
  Romance: [336, 52],
  "Sci-Fi": [188, 62],
  Thriller: [262, 22],
  War: [88, 30],
  Western: [22, 48],
};

// A hash, FNV-1a with 32 bits.
function seedOf(text) {
  let seed = 2166136261;
  for (const letter of text) seed = Math.imul(seed ^ letter.codePointAt(0), 16777619);
  return seed >>> 0;
}

// Mulberry32, so that a movie has the same cover each time.
function randomFrom(seed) {
  return () => {
    let value = (seed = (seed + 0x6d2b79f5) | 0);
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

const hueOf = genre => HUES[genre] ?? [seedOf(genre) % 360, 40];
const genreCounts = lazily(() => {
  const counts = new Map();
  for (const genres of data.genres)
    for (const genre of genres.split("|")) if (genre) counts.set(genre, (counts.get(genre) ?? 0) + 1);
  return counts;
});
const genreNames = () => [...genreCounts().keys()].sort();
// Of a movie's genres, the rarest is the most informative.
const rarestGenres = movie =>
  data.genres[movie]
    .split("|")
    .filter(Boolean)
    .sort((a, b) => genreCounts().get(a) - genreCounts().get(b));

const times = (n, draw) => Array.from({ length: n }, (_, i) => draw(i)).join("");
const circle = (x, y, r, more = "") => `<circle cx="${x}" cy="${y}" r="${r}" ${more}/>`;
const path = (d, more = "") => `<path d="${d}" ${more}/>`;
const LINE = 'fill="none" stroke="currentColor" stroke-width="2.5"';

// The shapes of each genre on 100 x 150; `r` gives numbers from 0 to 1.
const MOTIFS = {
  Action: r => {
    const x = 30 + 40 * r();
    const y = 45 + 20 * r();
    const ray = angle => `${x + 160 * Math.cos(angle)} ${y + 160 * Math.sin(angle)}`;
    return times(14, i => path(`M${x} ${y}L${ray(i * 0.449)}L${ray(i * 0.449 + 0.18)}z`));
  },
  Adventure: r =>
    path(`M-5 100L${20 + 15 * r()} ${42 + 20 * r()}L55 100z`) +
    path(`M25 100L${62 + 14 * r()} ${28 + 20 * r()}L108 100z`, 'opacity=".6"') +
    circle(80 - 60 * r(), 24, 9),
  Animation: r => times(11, () => circle(100 * r(), 95 * r(), 4 + 13 * r(), `opacity="${0.35 + 0.6 * r()}"`)),
  "Children's": r =>
    times(4, i => {
      const x = 16 + 23 * i;
      const y = 25 + 35 * r();
      return (
        path(`M${x} ${y + 12}Q${x + 5} ${y + 40} ${50} 110`, LINE + ' opacity=".5"') +
        `<ellipse cx="${x}" cy="${y}" rx="10" ry="13"/>`
      );
    }),
  Comedy: r => {
    const x = 40 + 20 * r();
    const y = 48 + 10 * r();
    return (
      circle(x, y, 31, 'opacity=".45"') +
      path(`M${x - 18} ${y + 4}a18 18 0 0 0 36 0z`) +
      circle(x - 10, y - 9, 3.5) +
      circle(x + 10, y - 9, 3.5)
    );
  },
  Crime: r =>
    times(9, i => `<rect x="-5" y="${12 * i + 4 * r()}" width="110" height="5" opacity="${0.3 + 0.07 * i}"/>`) +
    path(`M${55 + 20 * r()} 105l8-62 8 62z`, 'opacity=".9"'),
  Documentary: r =>
    `<rect x="14" y="${24 + 8 * r()}" width="72" height="54" rx="3" ${LINE}/>` +
    times(
      5,
      i =>
        `<rect x="${20 + 13 * i}" y="10" width="7" height="6"/><rect x="${20 + 13 * i}" y="92" width="7" height="6"/>`,
    ) +
    circle(50, 54, 12 + 6 * r()),
  Drama: r => {
    const y = 30 + 25 * r();
    return (
      circle(36, y + 12, 23, 'opacity=".55"') +
      circle(62, y + 24, 23, 'opacity=".55"') +
      path(`M0 ${y + 60}Q50 ${y + 30} 100 ${y + 60}`, LINE)
    );
  },
  Fantasy: r =>
    path("M14 105V58l8-10 8 10v12h8V44l12-18 12 18v26h8V58l8-10 8 10v47z", 'opacity=".75"') +
    times(9, () => circle(100 * r(), 42 * r(), 0.8 + 1.6 * r())),
  "Film-Noir": r =>
    path(`M${70 + 15 * r()} -5L-20 ${90 + 20 * r()}V120H60z`, 'opacity=".35"') +
    times(6, i => `<rect x="${10 + 15 * i}" y="${55 + 20 * r()}" width="11" height="70" opacity=".5"/>`),
  Horror: r =>
    circle(60 + 20 * r(), 32, 19) +
    times(5, i => {
      const x = 8 + 21 * i + 6 * r();
      return path(`M${x} 112V${72 + 12 * r()}l-9-16m9 22l9-20m-9 12l-5-20`, LINE);
    }),
  Musical: r =>
    times(9, i => {
      const h = 14 + 62 * r();
      return `<rect x="${6 + 10.2 * i}" y="${96 - h}" width="6" height="${h}" rx="3"/>`;
    }),
  Mystery: r => {
    const x = 42 + 16 * r();
    return circle(x, 46, 34, 'opacity=".3"') + circle(x, 40, 13) + path(`M${x - 6} 46h12l7 30h-26z`);
  },
  Romance: r => {
    const y = 40 + 10 * r();
    return (
      path(
        `M50 ${y + 44}C2 ${y + 8} 22 ${y - 26} 50 ${y - 2}C78 ${y - 26} 98 ${y + 8} 50 ${y + 44}z`,
        'opacity=".8"',
      ) + circle(20 + 60 * r(), 14, 5)
    );
  },
  "Sci-Fi": r => {
    const x = 40 + 24 * r();
    const y = 45 + 10 * r();
    return (
      times(16, () => circle(100 * r(), 100 * r(), 0.5 + r())) +
      circle(x, y, 21, 'opacity=".85"') +
      `<ellipse cx="${x}" cy="${y}" rx="40" ry="9" transform="rotate(${-30 + 30 * r()} ${x} ${y})" ${LINE}/>`
    );
  },
  Thriller: r => {
    const x = 35 + 30 * r();
    const y = 42 + 14 * r();
    return times(6, i => circle(x, y, 5 + 11 * i, LINE + ` opacity="${0.95 - 0.14 * i}"`)) + circle(x, y, 3);
  },
  War: r =>
    times(6, i =>
      path(
        `M${-8} ${26 + 15 * i}L50 ${6 + 15 * i + 5 * r()}L108 ${26 + 15 * i}`,
        LINE + ` opacity="${0.95 - 0.13 * i}"`,
      ),
    ),
  Western: r =>
    circle(30 + 40 * r(), 52, 24, 'opacity=".85"') +
    path("M-5 84Q25 66 50 82T105 78V115H-5z") +
    path(
      `M${76 + 8 * r()} 84V54m0 18h-8v-8m8 2h8v-9`,
      'fill="none" stroke="currentColor" stroke-width="5" stroke-linecap="round"',
    ),
};
const PLAIN = r =>
  times(5, i => path(`M-5 ${25 + 18 * i}Q${30 + 40 * r()} ${5 + 18 * i + 20 * r()} 105 ${25 + 18 * i}`, LINE));

// A picture for a movie, without text: what reads it gets the title from beside it.
function picture(movie) {
  const random = randomFrom(seedOf(data.titles[movie] + data.years[movie]));
  const [first = "", second = first] = rarestGenres(movie);
  const [[hue, strength], [other, its]] = [hueOf(first), hueOf(second)];
  const turn = Math.round(120 + 60 * random());
  const shift = Math.round(16 * random() - 8);
  const box = document.createElement("div");
  box.className = "picture";
  const [dark, light] = [`hsl(${hue + shift} ${strength}% 24%)`, `hsl(${other + shift} ${its}% 38%)`];
  box.style.background = `linear-gradient(${turn}deg, ${dark}, ${light})`;
  box.style.color = `hsl(${other + shift} ${Math.min(its + 20, 85)}% 72%)`;
  const view = 'viewBox="0 0 100 150" preserveAspectRatio="xMidYMin slice" fill="currentColor" aria-hidden="true"';
  const shapes = (MOTIFS[first] ?? PLAIN)(random);
  const behind = second === first ? "" : (MOTIFS[second] ?? PLAIN)(random);
  // Only numbers go into this text, and nothing of the data.
  box.innerHTML = `<svg ${view}><g opacity=".16">${behind}</g>${shapes}</svg>`;
  return box;
}

// A picture with the title and the year on it.
function cover(movie) {
  const box = picture(movie);
  const words = document.createElement("div");
  words.className = "on-cover";
  words.append(make("strong", data.titles[movie]), make("span", data.years[movie] ? String(data.years[movie]) : ""));
  box.append(words);
  return box;
}
