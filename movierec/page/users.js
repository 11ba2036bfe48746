// Users of the data: who they are, what they like in a sentence, and what is recommended to them.
const userIndex = new Map(data.user_ids.map((id, user) => [String(id), user]));
const best = lazily(() => numbers(data.best, Uint16Array));
const stars = lazily(() => bytes(data.stars));
const rated = lazily(() => numbers(data.rated, Uint16Array));
const forUsers = lazily(() => numbers(data.recommended, Uint16Array));
const present = movies => [...movies].filter(movie => movie !== NONE);
const bestOf = user => present(best().subarray(user * data.best_per_user, (user + 1) * data.best_per_user));
const recommendedTo = user => present(forUsers().subarray(user * data.per_user, (user + 1) * data.per_user));
// As text; none where ratings are no stars.
const starsOf = (user, place) => {
  const value = stars()[user * data.best_per_user + place] / 2;
  return value ? countOf(value, "star") : "";
};

// Of each name, the share of the movies that have it.
function sharesOf(movies, names, weight = () => 1) {
  const shares = new Map();
  let whole = 0;
  for (const movie of movies) {
    whole += weight(movie);
    for (const name of names(movie)) shares.set(name, (shares.get(name) ?? 0) + weight(movie));
  }
  return new Map([...shares].map(([name, sum]) => [name, sum / whole]));
}

const genresOf = movie => data.genres[movie].split("|").filter(Boolean);
const decadeOf = movie => (data.years[movie] ? [Math.floor(data.years[movie] / 10) * 10] : []);
const everyones = lazily(() => sharesOf(data.titles.keys(), genresOf, movie => data.liked_by[movie]));
const bySize = shares => [...shares].sort((a, b) => b[1] - a[1]);

// The most frequent genres, and those that are more frequent than with others.
function genresSentence(movies) {
  const genres = sharesOf(movies, genresOf);
  const most = bySize(genres)
    .slice(0, 2)
    .map(([genre]) => genre);
  const more = [...genres]
    .map(([genre, share]) => [genre, share / everyones().get(genre)])
    .filter(([genre, times]) => times > 1.4 && genres.get(genre) > 0.08 && !most.includes(genre));
  const others = bySize(more)
    .slice(0, 2)
    .map(([genre]) => genre);
  return most.length ? `likes ${listed(most)}${others.length ? `, and more ${listed(others)} than others` : ""}` : "";
}

function decadesSentence(movies) {
  const decades = bySize(sharesOf(movies, decadeOf)).slice(0, 2);
  if (!decades.length) return "";
  return decades[0][1] > 0.5
    ? `mostly of the ${decades[0][0]}s`
    : `above all of the ${listed(decades.map(([decade]) => `${decade}s`).sort())}`;
}

function sentenceOf(user) {
  const movies = [...historyOfUser(user).keys()];
  const taste = [genresSentence(movies), decadesSentence(movies)].filter(Boolean).join(", ");
  const top = bestOf(user);
  const names = listed(top.slice(0, 3).map(movie => data.titles[movie]));
  const gives = !top.length
    ? ""
    : starsOf(user, 0)
      ? `gives ${starsOf(user, 0)} to ${names}`
      : `has most of ${names}`;
  const text = [taste, gives].filter(Boolean).join("; ") || "has no likes in the data";
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function heading(text, id) {
  const node = make("h2", text);
  node.id = id;
  node.tabIndex = -1;
  return node;
}

function movieList(entries) {
  const list = make("ol", undefined, "movies");
  list.append(...entries);
  return list;
}

function userReasons(user) {
  return reasonsFor(historyOfUser(user), recommendedTo(user));
}

function showUser(user) {
  get("user-shown").hidden = false;
  const id = data.user_ids[user];
  const toMap = make("button", "See this user on the map");
  const movies = recommendedTo(user);
  const reasons = userReasons(user);
  toMap.onclick = () => {
    location.hash = `user=${encodeURIComponent(id)}&map`;
  };
  const favourites = bestOf(user).map((movie, place) => entry(movie, starsOf(user, place), "stars"));
  get("taste").replaceChildren(
    heading(`User ${id}`, "taste-title"),
    make("p", `${rated()[user]} movies rated`, "faint"),
    make("p", sentenceOf(user), "sentence"),
    toMap,
    make("h3", "Among their best rated"),
    movieList(favourites),
  );
  const entries = movies.map((movie, place) => entry(movie, because(reasons[place], "they like")));
  get("recommended").replaceChildren(heading("Recommendations", "recommended-title"), movieList(entries));
  if (!movies.length)
    get("recommended").append(make("p", "None: they have rated all movies, or none passed the filters.", "faint"));
}

function showNoUser(id) {
  get("user-shown").hidden = true;
  get("user-found").replaceChildren(
    make(
      "p",
      `There is no user “${id}” in this page: ids go from ${data.user_ids[0]} to ${data.user_ids.at(-1)}.`,
      "wrong",
    ),
  );
}

function usersFor(text) {
  if (userIndex.has(text)) return [userIndex.get(text)];
  const { movies, closest } = find(text);
  const users = new Set();
  if (closest) return [];
  for (const movie of movies.slice(0, 3))
    // among the best rated first
    for (let at = best().indexOf(movie); at >= 0 && users.size < USERS_FOUND; at = best().indexOf(movie, at + 1))
      users.add(Math.floor(at / data.best_per_user));
  return [...users];
}

function searchUsers() {
  const text = get("user-search").value.trim();
  const users = text ? usersFor(text) : [];
  const found = get("user-found");
  if (text && !users.length)
    found.replaceChildren(
      make("p", `Nobody found for “${text}”: ids go from ${data.user_ids[0]} to ${data.user_ids.at(-1)}.`, "faint"),
    );
  else
    found.replaceChildren(
      ...users.map(user => {
        const node = make("button", `User ${data.user_ids[user]}`);
        node.onclick = () => goToUser(user);
        return node;
      }),
    );
}

const goToUser = user => {
  location.hash = `user=${encodeURIComponent(data.user_ids[user])}`;
};
