// The views of the page. The address says what is shown: #new=260,1240&not=3, #user=42, and &map for the map of either.
const TILES = 24, SHOWN = 10, MOST_SHOWN = 50, USERS_FOUND = 12, SIMILAR = 8;
const KNOWN = 120; // of the best known movies, varied ones are the first tiles
const state = { likes: [], dislikes: [], user: -1, tiles: [], nTiles: TILES, count: SHOWN };
const phone = matchMedia("(max-width: 59.99rem)");
const get = id => document.getElementById(id);

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function inItem(...nodes) { const item = make("li"); item.append(...nodes); return item; }
function say(text) { get("said").textContent = text; }
function listed(words) { return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`; }

// Buttons and lists of movies

const THUMB = '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linejoin="round" aria-hidden="true">';
const ICONS = {
  like: `${THUMB}<path d="M12 20.5C-1 12 4.5 2.5 12 7.5 19.5 2.5 25 12 12 20.5z"/></svg>`,
  dislike: `${THUMB}<path d="M21 13h-4V4h4zM15 4v9l-4 8c-1.7 0-2.6-1.2-2.2-2.9L9.6 15H4c-1.2 0-2-1-1.8-2.2l1.4-7C3.8 4.800 4.600 4 5.700 4z"/></svg>`,
};

function voteButton(movie, kind) {
  const button = make("button", undefined, kind);
  button.innerHTML = ICONS[kind];
  if (kind === "like") button.append(make("span", "Like", "word"));
  button.dataset.vote = kind; button.dataset.of = movie;
  button.setAttribute("aria-label", `${kind === "like" ? "Like" : "Dislike"} ${shown(movie)}`);
  button.onclick = () => vote(movie, kind);
  return button;
}

function votes(movie) {
  const box = make("div", undefined, "votes");
  box.append(voteButton(movie, "like"), voteButton(movie, "dislike"));
  markVotes(box);
  return box;
}

function markVotes(within) {
  for (const button of within.querySelectorAll("[data-vote]"))
    button.setAttribute("aria-pressed", String(state[`${button.dataset.vote}s`].includes(Number(button.dataset.of))));
}

function movieButton(movie, content = shown(movie), className = "") {
  const button = make("button", undefined, className);
  button.append(content); button.dataset.movie = movie;
  button.onclick = () => openMovie(movie);
  return button;
}

function tile(movie) {
  const item = make("li", undefined, "tile"), button = movieButton(movie, cover(movie), "open");
  button.setAttribute("aria-label", `${shown(movie)}: about this movie`);
  item.append(button, votes(movie));
  return item;
}

function entry(movie, why, className = "why") { // a line of a list
  const words = make("div", undefined, "about-movie"), button = movieButton(movie, make("strong", spokenTitles[movie]), "open");
  if (data.years[movie]) button.append(" ", make("span", `(${data.years[movie]})`, "faint"));
  button.append(make("span", genresOf(movie).join(", "), "genres"));
  words.append(button);
  if (why) words.append(make("p", why, className));
  return inItem(picture(movie), words, votes(movie));
}

const because = (reasons, who) => reasons.length ? `because ${who} ${listed(reasons.map(({ movie }) => spokenTitles[movie]))}` : "";

// For you: picks, and recommendations

function varied() { // well-known movies of all kinds first, then the others by how well they are known
  const known = byScore(data.liked_by, [...data.titles.keys()]), fame = data.liked_by.map(count => Math.log1p(count));
  const first = diversified(known.slice(0, KNOWN), fame, 3 * TILES, .55);
  return [...first, ...known.filter(movie => !first.includes(movie))];
}

const allTiles = lazily(varied);

function showTiles() {
  const movies = state.tiles.slice(0, state.nTiles);
  get("tiles").replaceChildren(...movies.map(tile));
  get("more-tiles").hidden = state.tiles.length <= state.nTiles;
}

function searchMovies() {
  const text = get("movie-search").value.trim(), { movies, closest } = text ? find(text) : { movies: allTiles() };
  state.tiles = movies; state.nTiles = TILES;
  const found = movies.length === 1 ? "1 movie" : `${movies.length} movies`;
  get("movie-found").textContent = !text ? "" : closest || !movies.length ? `No movie is called “${text}”.${movies.length ? " The closest:" : ""}` : `${found} found`;
  showTiles();
}

function likeFirst() { // and the box is ready for another title
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

function vote(movie, kind) { // a second press takes it back
  const had = state[`${kind}s`].includes(movie), place = placeInList(document.activeElement);
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
  const { likes, dislikes, count } = state, variety = Number(get("variety").value);
  const movies = likes.length ? recommended(likes, dislikes, { filters: filters(), variety, count }) : [];
  const reasons = reasonsFor(historyOf(likes, dislikes), movies);
  get("asked").hidden = !likes.length && !dislikes.length;
  get("no-likes").hidden = likes.length > 0;
  showPicked();
  get("new-recommended").replaceChildren(...movies.map((movie, place) => entry(movie, because(reasons[place], "you like"))));
  get("none-passes").hidden = movies.length > 0 || !likes.length;
  get("more-recommended").hidden = movies.length < count || count >= MOST_SHOWN;
  get("new-on-map").hidden = get("filter-box").hidden = !likes.length;
  if (likes.length) say(movies.length ? `${movies.length} recommendations; the first is ${shown(movies[0])}` : "No movie passes these filters");
  state.first = movies[0];
  arrange();
  showBar();
}

function showPicked() {
  const button = (movie, kind) => {
    const node = make("button");
    node.innerHTML = ICONS[kind];
    node.append(spokenTitles[movie], " ×");
    node.setAttribute("aria-label", `Take back: ${kind} ${shown(movie)}`);
    node.onclick = () => { vote(movie, kind); get("for-you-title").focus(); };
    return inItem(node);
  };
  get("liked").replaceChildren(...state.likes.map(movie => button(movie, "like")), ...state.dislikes.map(movie => button(movie, "dislike")));
}

// On a telephone, recommendations come first once something is picked; while they are out of sight, a bar leads there.
function arrange() {
  const [picks, forYou] = [get("picks"), get("for-you")], first = phone.matches && state.likes.length > 0;
  if (first && picks.nextElementSibling === forYou) picks.before(forYou);
  if (!first && forYou.nextElementSibling === picks) picks.after(forYou);
}

function showBar() {
  const { first } = state, { bottom } = get("for-you").getBoundingClientRect();
  get("bar").hidden = first === undefined || !phone.matches || get("new-view").hidden || bottom > 80;
  if (first !== undefined) get("bar").textContent = `For you: ${spokenTitles[first]} and more`;
}

// Users of the data

const userIndex = new Map(data.user_ids.map((id, user) => [String(id), user]));
const best = lazily(() => numbers(data.best, Uint16Array)), stars = lazily(() => bytes(data.stars));
const rated = lazily(() => numbers(data.rated, Uint16Array)), forUsers = lazily(() => numbers(data.recommended, Uint16Array));
const present = movies => [...movies].filter(movie => movie !== NONE);
const bestOf = user => present(best().subarray(user * data.best_per_user, (user + 1) * data.best_per_user));
const recommendedTo = user => present(forUsers().subarray(user * data.per_user, (user + 1) * data.per_user));
const starsOf = (user, place) => { // as text; none where ratings are no stars
  const value = stars()[user * data.best_per_user + place] / 2;
  return value ? `${value} ${value === 1 ? "star" : "stars"}` : "";
};

function sharesOf(movies, names, weight = () => 1) { // of each name, the share of the movies that have it
  const shares = new Map();
  let whole = 0;
  for (const movie of movies) {
    whole += weight(movie);
    for (const name of names(movie)) shares.set(name, (shares.get(name) ?? 0) + weight(movie));
  }
  return new Map([...shares].map(([name, sum]) => [name, sum / whole]));
}

const genresOf = movie => data.genres[movie].split("|").filter(Boolean);
const decadeOf = movie => data.years[movie] ? [Math.floor(data.years[movie] / 10) * 10] : [];
const everyones = lazily(() => sharesOf(data.titles.keys(), genresOf, movie => data.liked_by[movie]));
const bySize = shares => [...shares].sort((a, b) => b[1] - a[1]);

// The most frequent genres, and those that are more frequent than with others.
function genresSentence(movies) {
  const genres = sharesOf(movies, genresOf), most = bySize(genres).slice(0, 2).map(([genre]) => genre);
  const more = [...genres].map(([genre, share]) => [genre, share / everyones().get(genre)])
    .filter(([genre, times]) => times > 1.4 && genres.get(genre) > .08 && !most.includes(genre));
  const others = bySize(more).slice(0, 2).map(([genre]) => genre);
  return most.length ? `likes ${listed(most)}${others.length ? `, and more ${listed(others)} than others` : ""}` : "";
}

function decadesSentence(movies) {
  const decades = bySize(sharesOf(movies, decadeOf)).slice(0, 2);
  if (!decades.length) return "";
  return decades[0][1] > .5 ? `mostly of the ${decades[0][0]}s` : `above all of the ${listed(decades.map(([decade]) => `${decade}s`).sort())}`;
}

function sentenceOf(user) {
  const movies = [...historyOfUser(user).keys()], taste = [genresSentence(movies), decadesSentence(movies)].filter(Boolean).join(", ");
  const top = bestOf(user), names = listed(top.slice(0, 3).map(movie => spokenTitles[movie]));
  const gives = !top.length ? "" : starsOf(user, 0) ? `gives ${starsOf(user, 0)} to ${names}` : `has most of ${names}`;
  const text = [taste, gives].filter(Boolean).join("; ") || "has no likes in the data";
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function heading(text, id) { const node = make("h2", text); node.id = id; node.tabIndex = -1; return node; }

function movieList(entries) { const list = make("ol", undefined, "movies"); list.append(...entries); return list; }

function userReasons(user) { return reasonsFor(historyOfUser(user), recommendedTo(user)); }

function showUser(user) {
  get("user-shown").hidden = false;
  const id = data.user_ids[user], toMap = make("button", "See this user on the map"), movies = recommendedTo(user), reasons = userReasons(user);
  toMap.onclick = () => { location.hash = `user=${encodeURIComponent(id)}&map`; };
  const favourites = bestOf(user).map((movie, place) => entry(movie, starsOf(user, place), "stars"));
  get("taste").replaceChildren(heading(`User ${id}`, "taste-title"), make("p", `${rated()[user]} movies rated`, "faint"),
    make("p", sentenceOf(user), "sentence"), toMap, make("h3", "Among their best rated"), movieList(favourites));
  const entries = movies.map((movie, place) => entry(movie, because(reasons[place], "they like")));
  get("recommended").replaceChildren(heading("Recommendations", "recommended-title"), movieList(entries));
  if (!movies.length) get("recommended").append(make("p", "None: they have rated all movies, or none passed the filters.", "faint"));
}

function showNoUser(id) {
  get("user-shown").hidden = true;
  get("user-found").replaceChildren(make("p", `There is no user “${id}” in this page: ids go from ${data.user_ids[0]} to ${data.user_ids.at(-1)}.`, "wrong"));
}

function usersFor(text) {
  if (userIndex.has(text)) return [userIndex.get(text)];
  const { movies, closest } = find(text), users = new Set();
  if (closest) return [];
  for (const movie of movies.slice(0, 3)) // among the best rated first
    for (let at = best().indexOf(movie); at >= 0 && users.size < USERS_FOUND; at = best().indexOf(movie, at + 1)) users.add(Math.floor(at / data.best_per_user));
  return [...users];
}

function searchUsers() {
  const text = get("user-search").value.trim(), users = text ? usersFor(text) : [], found = get("user-found");
  if (text && !users.length) found.replaceChildren(make("p", `Nobody found for “${text}”: ids go from ${data.user_ids[0]} to ${data.user_ids.at(-1)}.`, "faint"));
  else found.replaceChildren(...users.map(user => { const node = make("button", `User ${data.user_ids[user]}`); node.onclick = () => goToUser(user); return node; }));
}

const goToUser = user => { location.hash = `user=${encodeURIComponent(data.user_ids[user])}`; };

// A movie in a panel

function openMovie(movie) {
  const panel = get("panel"), inside = make("div", undefined, "in-panel"), top = make("div", undefined, "top"), words = make("div");
  const close = make("button", "Close", "close"), title = make("h2", shown(movie)), users = data.liked_by[movie].toLocaleString("en");
  title.id = "panel-title"; title.tabIndex = -1;
  close.onclick = () => panel.close();
  words.append(title, make("p", genresOf(movie).join(", ") || "No genre"), make("p", `Liked by ${users} ${users === "1" ? "user" : "users"}`, "faint"));
  top.append(picture(movie), words);
  const list = make("ul", undefined, "movies");
  list.append(...similarTo(movie, SIMILAR).map(other => entry(other)));
  inside.append(close, top, votes(movie), make("h3", "Similar movies"), list);
  panel.replaceChildren(inside);
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0; title.focus();
}

// The address

function hashOfPicks() {
  const ids = movies => movies.map(movie => encodeURIComponent(data.movie_ids[movie])).join(",");
  return `new=${ids(state.likes)}${state.dislikes.length ? `&not=${ids(state.dislikes)}` : ""}`;
}

function replaceAddress() { // without a step back for each pick
  if (!new URLSearchParams(location.hash.slice(1)).has("user")) history.replaceState(null, "", `#${hashOfPicks()}${get("map-view").hidden ? "" : "&map"}`);
}

const movieIndex = lazily(() => new Map(data.movie_ids.map((id, movie) => [String(id), movie])));
const moviesIn = text => [...new Set((text ?? "").split(",").map(id => movieIndex().get(id)).filter(movie => movie !== undefined))];

function show() { // what the address says
  const hash = new URLSearchParams(location.hash.slice(1)), isUser = hash.has("user"), isMap = hash.has("map");
  if (hash.has("new")) {
    state.likes = moviesIn(hash.get("new"));
    state.dislikes = moviesIn(hash.get("not")).filter(movie => !state.likes.includes(movie));
    document.querySelectorAll(".votes").forEach(markVotes);
  }
  const view = isMap ? "map" : isUser ? "user" : "new";
  for (const name of ["new", "user", "map"]) {
    get(`${name}-view`).hidden = name !== view;
    if (name === view) get(`to-${name}`).setAttribute("aria-current", "page"); else get(`to-${name}`).removeAttribute("aria-current");
  }
  const user = isUser ? userIndex.get(hash.get("user")) : undefined;
  if (user !== undefined) state.user = user;
  if (view === "map") showOnMap(user);
  else if (view === "new") showNew();
  else if (user === undefined) showNoUser(hash.get("user"));
  else { get("user-found").replaceChildren(); showUser(user); }
  if (view !== "new") get("bar").hidden = true;
}

function goTo() {
  get("panel").close();
  show();
  if (!get("map-view").hidden) showSubject();
  if (document.activeElement === document.body && location.hash.startsWith("#user=")) get("taste-title")?.focus({ preventScroll: true });
}

function showOnMap(user) {
  const [movies, history] = user === undefined
    ? [state.likes.length ? recommended(state.likes, state.dislikes, { filters: filters(), variety: Number(get("variety").value) }) : [], historyOf(state.likes, state.dislikes)]
    : [recommendedTo(user).slice(0, SHOWN), historyOfUser(user)];
  const reasons = reasonsFor(history, movies).map(of => of.map(({ movie }) => movie));
  const likes = [...history.keys()].filter(movie => history.get(movie) > 0);
  showMap(likes, movies.map((movie, place) => ({ movie, reasons: reasons[place] })), user === undefined ? "Your" : `User ${data.user_ids[user]}'s`);
}

function startForms() {
  get("filter-box").open = !phone.matches; // on a telephone, recommendations before filters
  for (const genre of genreNames()) get("genre").append(make("option", genre));
  const years = data.years.filter(Boolean), [first, last] = [Math.min(...years), Math.max(...years)];
  get("from").placeholder = first; get("to").placeholder = last;
  get("filters").oninput = () => { state.count = SHOWN; showNew(); };
  get("filters").onsubmit = event => event.preventDefault();
  get("no-filters").onclick = () => { get("filters").reset(); showNew(); get("for-you-title").focus(); };
  get("movie-search").oninput = searchMovies; get("user-search").oninput = searchUsers;
  get("movie-search").onkeydown = event => { if (event.key === "Enter") likeFirst(); };
  get("user-search").onkeydown = event => { if (event.key === "Enter") get("user-found").querySelector("button")?.click(); };
}

function startButtons() {
  get("to-new").onclick = () => { location.hash = hashOfPicks(); };
  get("to-user").onclick = () => goToUser(Math.max(state.user, 0));
  get("to-map").onclick = () => { location.hash = get("user-view").hidden || state.user < 0 ? `${hashOfPicks()}&map` : `user=${encodeURIComponent(data.user_ids[state.user])}&map`; };
  get("new-on-map").onclick = () => { location.hash = `${hashOfPicks()}&map`; };
  get("another-user").onclick = () => goToUser(Math.floor(Math.random() * data.user_ids.length));
  get("more-tiles").onclick = moreTiles;
  get("more-recommended").onclick = () => { state.count += SHOWN; showNew(); };
  get("pick-more").onclick = () => { get("picks").scrollIntoView(); get("movie-search").focus({ preventScroll: true }); };
  get("bar").onclick = () => { get("for-you").scrollIntoView(); get("for-you-title").focus({ preventScroll: true }); };
  get("panel").onclick = event => { if (event.target === get("panel")) get("panel").close(); };
}

startForms(); startButtons(); startMap(); searchMovies();
get("about").textContent = data.about;
window.onhashchange = goTo; goTo();
window.onscroll = showBar;
phone.addEventListener("change", () => { get("filter-box").open = !phone.matches; arrange(); });
performance.mark("usable");
