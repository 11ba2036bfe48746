// The map of movies: a canvas that can be moved and zoomed, with the likes and recommendations of whoever is shown.
const NEIGHBOURS = 3; // a movie that has no place lies between the nearest ones that have
const map = {
  scale: 0,
  x: 0,
  y: 0,
  likes: [],
  recommended: [],
  whose: "Your",
  pointers: new Map(),
  moved: false,
  inView: [],
};
const LEAST_SPAN = 0.2; // of the map, when it is fitted to a few places
const TITLES = 80;
const LISTED = 30; // titles at one time, and likes in the list
const MOST_ZOOM = 40;
const REACH = 24; // pixels from a dot that count as on it

const placed = lazily(() => {
  const places = numbers(data.map_places, Float32Array);
  return new Map(
    Array.from(numbers(data.map_movies, Uint16Array), (movie, at) => [movie, [places[2 * at], places[2 * at + 1]]]),
  );
});

const placeOf = movie => placed().get(movie) ?? between(movie);

function between(movie) {
  const near = similarTo(movie, N - 1)
    .filter(other => placed().has(other))
    .slice(0, NEIGHBOURS);
  return [0, 1].map(axis => near.reduce((sum, other) => sum + placed().get(other)[axis] / near.length, 0));
}

const mapGenres = lazily(() =>
  [...genreCounts()]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 10)
    .map(([genre]) => genre),
);
// Hues that are told apart, on light and dark ground; the first five are Okabe and Ito's.
const MAP_COLOURS = [
  "#0072b2",
  "#e69f00",
  "#d55e00",
  "#56b4e9",
  "#cc79a7",
  "#8b5fd3",
  "#b5483b",
  "#009e73",
  "#a8a420",
  "#9c7350",
];
const colourOf = genre => MAP_COLOURS[mapGenres().indexOf(genre)] ?? "#8f8b96";
const mapColour = movie => colourOf(rarestGenres(movie).find(genre => mapGenres().includes(genre)));

// The movies of the map, the best known first; then those of whoever is shown that have no place of their own.
function dots() {
  const shownToo = [...map.likes, ...map.recommended.map(({ movie }) => movie)].filter(movie => !placed().has(movie));
  return [...placed().keys(), ...shownToo].map(movie => ({ movie, place: placeOf(movie) }));
}

// `recommended` are movies with the likes that they come from.
function showMap(likes, recommended, whose) {
  Object.assign(map, { likes, recommended, whose, dots: undefined });
  get("map-says").textContent = likes.length
    ? "Hearts are likes; numbers are recommendations, with lines from the likes that they come from."
    : "Like some movies, and see where they and your recommendations are.";
  get("map-lists").hidden = !likes.length;
  get("map-likes-title").textContent = `${whose} likes`;
  get("map-likes").replaceChildren(...likes.slice(0, LISTED).map(movie => inItem(movieButton(movie))));
  if (likes.length > LISTED) get("map-likes").append(inItem(`and ${likes.length - LISTED} more`));
  get("map-recommended").replaceChildren(
    ...recommended.map(({ movie }, rank) => inItem(movieButton(movie, `${rank + 1}. ${shown(movie)}`))),
  );
  get("legend").replaceChildren(
    ...mapGenres().map(genre => {
      const item = make("li");
      const swatch = make("i");
      swatch.style.background = colourOf(genre);
      item.append(swatch, genre);
      return item;
    }),
  );
  draw();
}

// Moves and zooms so that these are in view, with a margin.
function fit(places) {
  const { clientWidth: width, clientHeight: height } = get("canvas");
  if (!width) return;
  const spans = [0, 1].map(axis => [
    Math.min(...places.map(at => at[axis])),
    Math.max(...places.map(at => at[axis])),
  ]);
  const [wide, high] = spans.map(([least, most]) => Math.max(most - least, LEAST_SPAN));
  map.scale = 0.88 * Math.min(width / wide, height / high);
  map.x = width / 2 - (map.scale * (spans[0][0] + spans[0][1])) / 2;
  map.y = height / 2 - map.scale * (1 - (spans[1][0] + spans[1][1]) / 2);
  draw();
}

const showAll = () => fit([...placed().values()]);

// Fits the recommendations and the likes that they come from; without any, all.
function showSubject() {
  const movies = map.recommended.flatMap(({ movie, reasons }) => [movie, ...reasons]);
  if (movies.length) fit(movies.map(placeOf));
  else showAll();
}

const onScreen = ([x, y]) => [map.x + x * map.scale, map.y + (1 - y) * map.scale];

// Zooms around a point.
function zoom(factor, x = get("canvas").clientWidth / 2, y = get("canvas").clientHeight / 2) {
  const whole = Math.min(get("canvas").clientWidth, get("canvas").clientHeight) * 0.94;
  const scale = Math.min(Math.max(map.scale * factor, whole / 1.5), whole * MOST_ZOOM);
  const by = scale / map.scale;
  map.x = x - (x - map.x) * by;
  map.y = y - (y - map.y) * by;
  map.scale = scale;
  draw();
}

function draw() {
  const canvas = get("canvas");
  const { clientWidth: width, clientHeight: height } = canvas;
  const pixels = devicePixelRatio || 1;
  if (!width) return;
  if (canvas.width !== Math.round(width * pixels)) canvas.width = Math.round(width * pixels);
  if (canvas.height !== Math.round(height * pixels)) canvas.height = Math.round(height * pixels);
  const ink = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const colour = name => style.getPropertyValue(name).trim();
  ink.setTransform(pixels, 0, 0, pixels, 0, 0);
  ink.clearRect(0, 0, width, height);
  map.dots ??= dots();
  map.inView = map.dots
    .map(({ movie, place }) => ({ movie, at: onScreen(place) }))
    .filter(({ at: [x, y] }) => x > -60 && y > -20 && x < width + 60 && y < height + 20);
  drawDots(ink, map.likes.length > 0);
  drawSubject(ink, colour);
  drawTitles(ink, colour);
}

function drawDots(ink, faint) {
  const closer = Math.min(
    Math.sqrt(map.scale / Math.min(get("canvas").clientWidth, get("canvas").clientHeight)),
    2.4,
  );
  const most = Math.max(...data.liked_by);
  ink.globalAlpha = faint ? 0.45 : 0.85;
  for (const {
    movie,
    at: [x, y],
  } of map.inView) {
    ink.fillStyle = mapColour(movie);
    ink.beginPath();
    ink.arc(x, y, closer * (1.6 + 3.2 * Math.sqrt(data.liked_by[movie] / most)), 0, 7);
    ink.fill();
  }
  ink.globalAlpha = 1;
}

function drawSubject(ink, colour) {
  ink.strokeStyle = colour("--mark");
  ink.lineWidth = 1.2;
  ink.globalAlpha = 0.55;
  for (const { movie, reasons } of map.recommended)
    for (const from of reasons) {
      ink.beginPath();
      ink.moveTo(...onScreen(placeOf(from)));
      ink.lineTo(...onScreen(placeOf(movie)));
      ink.stroke();
    }
  ink.globalAlpha = 1;
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  ink.font = `${map.likes.length > LISTED ? 13 : 20}px system-ui, sans-serif`;
  ink.fillStyle = colour("--like");
  for (const movie of map.likes) ink.fillText("♥", ...onScreen(placeOf(movie)));
  ink.font = "bold 12px system-ui, sans-serif";
  map.recommended.forEach(({ movie }, rank) => {
    const [x, y] = onScreen(placeOf(movie));
    ink.fillStyle = colour("--mark");
    ink.beginPath();
    ink.arc(x, y, 10, 0, 7);
    ink.fill();
    ink.fillStyle = colour("--on-mark");
    ink.fillText(String(rank + 1), x, y + 0.5);
  });
}

// Titles of whoever is shown first, then the best known; none over another.
function drawTitles(ink, colour) {
  const own = [map.pointed, ...map.recommended.map(({ movie }) => movie), ...map.likes.slice(0, LISTED)];
  const taken = map.recommended
    .map(({ movie }) => onScreen(placeOf(movie)))
    .map(([x, y]) => ({ x, y, half: 11, tall: 8 }));
  const isFree = box =>
    !taken.some(of => Math.abs(of.x - box.x) < of.half + box.half && Math.abs(of.y - box.y) < of.tall + 9);
  const inView = new Map(map.inView.map(({ movie, at }) => [movie, at]));
  ink.font = "12.5px system-ui, sans-serif";
  ink.textBaseline = "middle";
  ink.lineWidth = 3;
  ink.strokeStyle = colour("--soft");
  ink.fillStyle = colour("--text");
  ink.lineJoin = "round";
  for (const movie of new Set([...own, ...inView.keys()])) {
    if (!inView.has(movie)) continue;
    const [x, y] = inView.get(movie);
    const half = ink.measureText(shown(movie)).width / 2 + 4;
    const beside = own.includes(movie)
      ? [
          [0, 19],
          [half + 12, 0],
          [-half - 12, 0],
        ]
      : []; // they have more than one try
    const box = [[0, -18], ...beside]
      .map(([right, down]) => ({ x: x + right, y: y + down, half, tall: 10 }))
      .find(isFree);
    if (!box) continue;
    taken.push(box);
    ink.strokeText(shown(movie), box.x, box.y);
    ink.fillText(shown(movie), box.x, box.y);
    if (taken.length > TITLES) break;
  }
}

// The nearest movie within reach, and those of whoever is shown before others.
function movieAt(x, y) {
  const own = new Set([...map.likes, ...map.recommended.map(({ movie }) => movie)]);
  const distance = ({ movie, at }) => Math.hypot(at[0] - x, at[1] - y) - (own.has(movie) ? 8 : 0);
  const best = map.inView.reduce((one, other) => (one && distance(one) <= distance(other) ? one : other), undefined);
  return best && distance(best) <= REACH ? best.movie : undefined;
}
