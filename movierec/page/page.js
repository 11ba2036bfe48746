// The views of the page. The address says what is shown: #new=260,1240&not=3 (with 260*5 for five stars), #user=42, and &map for the map of either.
const TILES = 24;
const SHOWN = 10;
const MOST_SHOWN = 50;
const USERS_FOUND = 12;
const KNOWN = 120; // of the best known movies, varied ones are the first tiles
const MAX_STARS = 5;
const state = { ratings: new Map(), user: -1, tiles: [], nTiles: TILES, count: SHOWN };
const STARS = { like: weightOf(4) > 0 ? 4 : 5, dislike: 1 }; // that a button gives
const kindOf = stars => (weightOf(stars) > 0 ? "like" : "dislike");
const ratedAs = kind => [...state.ratings].filter(([, stars]) => kindOf(stars) === kind);
const phone = matchMedia("(max-width: 59.99rem)");

// For you: picks, and recommendations

// Well-known movies of all kinds first, then the others by how well they are known.
function varied() {
  const known = byScore(data.liked_by, [...data.titles.keys()]);
  const fame = data.liked_by.map(count => Math.log1p(count));
  const first = diversified(known.slice(0, KNOWN), fame, 3 * TILES, 0.55);
  return [...first, ...known.filter(movie => !first.includes(movie))];
}

const allTiles = lazily(varied);

function showTiles() {
  const movies = state.tiles.slice(0, state.nTiles);
  get("tiles").replaceChildren(...movies.map(tile));
  get("more-tiles").hidden = state.tiles.length <= state.nTiles;
}

function searchMovies() {
  const text = get("movie-search").value.trim();
  const { movies, closest } = text ? find(text) : { movies: allTiles() };
  state.tiles = movies;
  state.nTiles = TILES;
  const found = movies.length === 1 ? "1 movie" : `${movies.length} movies`;
  get("movie-found").textContent = !text
    ? ""
    : closest || !movies.length
      ? `No movie is called “${text}”.${movies.length ? " The closest:" : ""}`
      : `${found} found`;
  showTiles();
}

// Likes the first movie found, and makes the box ready for another title.
function likeFirst() {
  if (!get("movie-search").value.trim() || !state.tiles.length) return;
  const [movie] = state.tiles;
  if (kindOf(state.ratings.get(movie) ?? 1) !== "like") rate(movie, STARS.like);
  get("movie-search").value = "";
  searchMovies();
  get("movie-found").textContent = `You like ${shown(movie)}.`;
}

function moreTiles() {
  const before = state.nTiles;
  state.nTiles += TILES;
  get("tiles").append(...state.tiles.slice(before, state.nTiles).map(tile));
  get("more-tiles").hidden = state.tiles.length <= state.nTiles;
  get("tiles").children[before]?.querySelector("button").focus();
}

// No stars, or a second press of the same button, take it back.
function rate(movie, stars) {
  const before = state.ratings.get(movie);
  const place = placeInList(document.activeElement);
  if (!stars || before === stars) state.ratings.delete(movie);
  else state.ratings.set(movie, stars);
  replaceAddress();
  markAll();
  if (!get("new-view").hidden) showNew();
  if (!get("map-view").hidden) show();
  focusInList(place);
}

// A voted movie leaves the list of recommendations, so that the focus goes to what comes in its place.
function placeInList(node) {
  const item = node?.closest("#new-recommended > li");
  return item ? { place: [...item.parentNode.children].indexOf(item), kind: node.dataset.vote } : undefined;
}

function focusInList(at) {
  if (!at) return;
  const item = get("new-recommended").children[Math.min(at.place, get("new-recommended").children.length - 1)];
  (item?.querySelector(`[data-vote=${at.kind}]`) ?? get("for-you-title")).focus();
}

const howToChoose = () => ({
  filters: { genre: get("genre").value, from: Number(get("from").value), to: Number(get("to").value) },
  variety: Number(get("variety").value),
});

function showNew() {
  const { ratings, count } = state;
  const likes = ratedAs("like");
  const history = historyOf(ratings);
  const options = { ...howToChoose(), count };
  const movies = likes.length ? recommended(history, options) : [];
  const reasons = reasonsFor(history, movies);
  get("asked").hidden = !ratings.size;
  get("no-likes").hidden = likes.length > 0;
  showPicked();
  showList(movies.map((movie, place) => ({ movie, reasons: reasons[place] })));
  if (service.answers && likes.length) askService(history, options).then(found => found && showList(found));
  get("none-passes").hidden = movies.length > 0 || !likes.length;
  get("more-recommended").hidden = movies.length < count || count >= MOST_SHOWN;
  get("new-on-map").hidden = get("filter-box").hidden = !likes.length;
  if (likes.length)
    say(
      movies.length
        ? `${movies.length} recommendations; the first is ${shown(movies[0])}`
        : "No movie passes these filters",
    );
  state.first = movies[0];
  arrange();
  showBar();
}

function showList(found) {
  get("new-recommended").replaceChildren(
    ...found.map(({ movie, reasons }) => entry(movie, because(reasons, "you like"))),
  );
}

function showPicked() {
  const button = ([movie, stars]) => {
    const node = make("button", undefined, kindOf(stars));
    node.append(make("span", `${stars}★`), ` ${data.titles[movie]} ×`);
    node.setAttribute("aria-label", `Take back: ${countOf(stars, "star")} for ${shown(movie)}`);
    node.onclick = () => {
      rate(movie, 0);
      get("for-you-title").focus();
    };
    return inItem(node);
  };
  get("liked").replaceChildren(...[...ratedAs("like"), ...ratedAs("dislike")].map(button));
}

// On a telephone, recommendations come first once something is picked; while they are out of sight, a bar leads there.
function arrange() {
  const [picks, forYou] = [get("picks"), get("for-you")];
  const first = phone.matches && ratedAs("like").length > 0;
  if (first && picks.nextElementSibling === forYou) picks.before(forYou);
  if (!first && forYou.nextElementSibling === picks) picks.after(forYou);
}

function showBar() {
  const { first } = state;
  const { bottom } = get("for-you").getBoundingClientRect();
  get("bar").hidden = first === undefined || !phone.matches || get("new-view").hidden || bottom > 80;
  if (first !== undefined) get("bar").textContent = `For you: ${data.titles[first]} and more`;
}

// The address

function hashOfPicks() {
  const ids = kind =>
    ratedAs(kind)
      .map(([movie, stars]) => encodeURIComponent(data.movie_ids[movie]) + (stars === STARS[kind] ? "" : `*${stars}`))
      .join(",");
  const dislikes = ids("dislike");
  return `new=${ids("like")}${dislikes && `&not=${dislikes}`}`;
}

// In place, so that the browser's way back has no step for each pick.
function replaceAddress() {
  if (!new URLSearchParams(location.hash.slice(1)).has("user"))
    history.replaceState(null, "", `#${hashOfPicks()}${get("map-view").hidden ? "" : "&map"}`);
}

const movieIndex = lazily(() => new Map(data.movie_ids.map((id, movie) => [String(id), movie])));
const ratingsIn = (text, kind) =>
  (text ?? "").split(",").flatMap(of => {
    const [, id, stars] = movieIndex().has(of) ? [of, of] : (of.match(/^(.*)\*([1-5])$/) ?? []);
    const movie = movieIndex().get(id);
    return movie === undefined ? [] : [[movie, Number(stars ?? STARS[kind])]];
  });

// Shows what the address says.
function show() {
  const hash = new URLSearchParams(location.hash.slice(1));
  const isUser = hash.has("user");
  const isMap = hash.has("map");
  if (hash.has("new")) {
    state.ratings = new Map([...ratingsIn(hash.get("not"), "dislike"), ...ratingsIn(hash.get("new"), "like")]);
    markAll();
  }
  const view = isMap ? "map" : isUser ? "user" : "new";
  for (const name of ["new", "user", "map"]) {
    get(`${name}-view`).hidden = name !== view;
    if (name === view) get(`to-${name}`).setAttribute("aria-current", "page");
    else get(`to-${name}`).removeAttribute("aria-current");
  }
  const user = isUser ? userIndex.get(hash.get("user")) : undefined;
  if (user !== undefined) state.user = user;
  if (view === "map") showOnMap(user);
  else if (view === "new") showNew();
  else if (user === undefined) showNoUser(hash.get("user"));
  else {
    get("user-found").replaceChildren();
    showUser(user);
  }
  if (view !== "new") get("bar").hidden = true;
}

function goTo() {
  get("panel").close();
  show();
  if (!get("map-view").hidden) showSubject();
  if (document.activeElement === document.body && location.hash.startsWith("#user="))
    get("taste-title")?.focus({ preventScroll: true });
}

function showOnMap(user) {
  const history = user === undefined ? historyOf(state.ratings) : historyOfUser(user);
  const forNew = () => (ratedAs("like").length ? recommended(history, howToChoose()) : []);
  const movies = user === undefined ? forNew() : recommendedTo(user).slice(0, SHOWN);
  const reasons = reasonsFor(history, movies).map(of => of.map(({ movie }) => movie));
  const likes = [...history.keys()].filter(movie => history.get(movie) > 0);
  showMap(
    likes,
    movies.map((movie, place) => ({ movie, reasons: reasons[place] })),
    user === undefined ? "Your" : `User ${data.user_ids[user]}'s`,
  );
}

function startForms() {
  get("filter-box").open = !phone.matches; // on a telephone, recommendations before filters
  for (const genre of genreNames()) get("genre").append(make("option", genre));
  const years = data.years.filter(Boolean);
  for (const [id, of] of [
    ["from", Math.min],
    ["to", Math.max],
  ]) {
    get(id).placeholder = of(...years);
    get(id).parentNode.hidden = !years.length;
  }
  get("filters").oninput = () => {
    state.count = SHOWN;
    showNew();
  };
  get("filters").onsubmit = event => event.preventDefault();
  get("no-filters").onclick = () => {
    get("filters").reset();
    showNew();
    get("for-you-title").focus();
  };
  get("movie-search").oninput = searchMovies;
  get("user-search").oninput = searchUsers;
  get("movie-search").onkeydown = event => {
    if (event.key === "Enter") likeFirst();
  };
  get("user-search").onkeydown = event => {
    if (event.key === "Enter") get("user-found").querySelector("button")?.click();
  };
}

function startButtons() {
  get("to-new").onclick = () => {
    location.hash = hashOfPicks();
  };
  get("to-user").onclick = () => goToUser(Math.max(state.user, 0));
  get("to-map").onclick = () => {
    location.hash =
      get("user-view").hidden || state.user < 0
        ? `${hashOfPicks()}&map`
        : `user=${encodeURIComponent(data.user_ids[state.user])}&map`;
  };
  get("new-on-map").onclick = () => {
    location.hash = `${hashOfPicks()}&map`;
  };
  get("another-user").onclick = () => goToUser(Math.floor(Math.random() * data.user_ids.length));
  get("more-tiles").onclick = moreTiles;
  get("more-recommended").onclick = () => {
    state.count += SHOWN;
    showNew();
  };
  get("pick-more").onclick = () => {
    get("picks").scrollIntoView();
    get("movie-search").focus({ preventScroll: true });
  };
  get("bar").onclick = () => {
    get("for-you").scrollIntoView();
    get("for-you-title").focus({ preventScroll: true });
  };
  get("panel").onclick = event => {
    if (event.target === get("panel")) get("panel").close();
  };
}

startForms();
startButtons();
startMap();
searchMovies();
get("about").textContent = data.about;
get("stars-say").textContent =
  `From ${countOf(1 + data.star_weights.findIndex(weight => weight > 0), "star")} on, a movie counts as liked. Fewer stars lower similar movies.`;
window.onhashchange = goTo;
goTo();
window.onscroll = showBar;
phone.addEventListener("change", () => {
  get("filter-box").open = !phone.matches;
  arrange();
});
performance.mark("usable");
startService();
