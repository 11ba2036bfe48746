// The views of the page. The address says what is shown: #new=260,1240&not=3, #user=42, and &map for the map of either.
const TILES = 24;
const SHOWN = 10;
const MOST_SHOWN = 50;
const USERS_FOUND = 12;
const KNOWN = 120; // of the best known movies, varied ones are the first tiles
const state = { likes: [], dislikes: [], user: -1, tiles: [], nTiles: TILES, count: SHOWN };
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
  if (!state.likes.includes(movie)) vote(movie, "like");
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

// A second press of the same button takes it back.
function vote(movie, kind) {
  const had = state[`${kind}s`].includes(movie);
  const place = placeInList(document.activeElement);
  for (const list of ["likes", "dislikes"]) state[list] = state[list].filter(other => other !== movie);
  if (!had) state[`${kind}s`].push(movie);
  replaceAddress();
  document.querySelectorAll(".votes").forEach(markVotes);
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

const filters = () => ({ genre: get("genre").value, from: Number(get("from").value), to: Number(get("to").value) });

function showNew() {
  const { likes, dislikes, count } = state;
  const options = { filters: filters(), variety: Number(get("variety").value), count };
  const movies = likes.length ? recommended(likes, dislikes, options) : [];
  const reasons = reasonsFor(historyOf(likes, dislikes), movies);
  get("asked").hidden = !likes.length && !dislikes.length;
  get("no-likes").hidden = likes.length > 0;
  showPicked();
  showList(movies.map((movie, place) => ({ movie, reasons: reasons[place] })));
  if (service.answers && likes.length) askService(state, options).then(found => found && showList(found));
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
  const button = (movie, kind) => {
    const node = make("button");
    node.innerHTML = ICONS[kind];
    node.append(data.titles[movie], " ×");
    node.setAttribute("aria-label", `Take back: ${kind} ${shown(movie)}`);
    node.onclick = () => {
      vote(movie, kind);
      get("for-you-title").focus();
    };
    return inItem(node);
  };
  get("liked").replaceChildren(
    ...state.likes.map(movie => button(movie, "like")),
    ...state.dislikes.map(movie => button(movie, "dislike")),
  );
}

// On a telephone, recommendations come first once something is picked; while they are out of sight, a bar leads there.
function arrange() {
  const [picks, forYou] = [get("picks"), get("for-you")];
  const first = phone.matches && state.likes.length > 0;
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
  const ids = movies => movies.map(movie => encodeURIComponent(data.movie_ids[movie])).join(",");
  return `new=${ids(state.likes)}${state.dislikes.length ? `&not=${ids(state.dislikes)}` : ""}`;
}

// In place, so that the browser's way back has no step for each pick.
function replaceAddress() {
  if (!new URLSearchParams(location.hash.slice(1)).has("user"))
    history.replaceState(null, "", `#${hashOfPicks()}${get("map-view").hidden ? "" : "&map"}`);
}

const movieIndex = lazily(() => new Map(data.movie_ids.map((id, movie) => [String(id), movie])));
const moviesIn = text => [
  ...new Set(
    (text ?? "")
      .split(",")
      .map(id => movieIndex().get(id))
      .filter(movie => movie !== undefined),
  ),
];

// Shows what the address says.
function show() {
  const hash = new URLSearchParams(location.hash.slice(1));
  const isUser = hash.has("user");
  const isMap = hash.has("map");
  if (hash.has("new")) {
    state.likes = moviesIn(hash.get("new"));
    state.dislikes = moviesIn(hash.get("not")).filter(movie => !state.likes.includes(movie));
    document.querySelectorAll(".votes").forEach(markVotes);
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
  const [movies, history] =
    user === undefined
      ? [
          state.likes.length
            ? recommended(state.likes, state.dislikes, { filters: filters(), variety: Number(get("variety").value) })
            : [],
          historyOf(state.likes, state.dislikes),
        ]
      : [recommendedTo(user).slice(0, SHOWN), historyOfUser(user)];
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
window.onhashchange = goTo;
goTo();
window.onscroll = showBar;
phone.addEventListener("change", () => {
  get("filter-box").open = !phone.matches;
  arrange();
});
performance.mark("usable");
startService();
