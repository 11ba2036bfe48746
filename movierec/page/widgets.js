// Stars, buttons and lists of movies, and the panel of one, which all views have.
const SIMILAR = 8; // movies in the panel

const get = id => document.getElementById(id);

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function inItem(...nodes) {
  const item = make("li");
  item.append(...nodes);
  return item;
}
function say(text) {
  get("said").textContent = text;
}
const countOf = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

const ICON = 'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linejoin="round"';
const icon = shape => `<svg ${ICON} aria-hidden="true"><path d="${shape}"/></svg>`;
const ICONS = {
  like: icon("M12 20.5C-1 12 4.5 2.5 12 7.5 19.5 2.5 25 12 12 20.5z"),
  dislike: icon(
    "M21 13h-4V4h4zM15 4v9l-4 8c-1.7 0-2.6-1.2-2.2-2.9L9.6 15H4c-1.2 0-2-1-1.8-2.2l1.4-7C3.8 4.8 4.6 4 5.7 4z",
  ),
};

// Five stars: a range of which nothing is seen, over a place to take the rating back and five characters.
function starsFor(movie) {
  const box = make("div", undefined, "rating");
  const range = make("input");
  Object.assign(range, { type: "range", min: 0, max: MAX_STARS });
  range.dataset.of = movie;
  range.setAttribute("aria-label", `Stars for ${shown(movie)}`);
  range.oninput = () => rate(movie, Number(range.value));
  for (let cell = 0; cell <= MAX_STARS; cell++) box.append(make("span"));
  box.append(range);
  markRating(box);
  return box;
}

function markRating(box) {
  const range = box.querySelector("input");
  const stars = state.ratings.get(Number(range.dataset.of)) ?? 0;
  range.value = stars;
  range.setAttribute("aria-valuetext", stars ? countOf(stars, "star") : "not rated");
  box.dataset.kind = stars ? kindOf(stars) : "";
  box.querySelectorAll("span").forEach((cell, place) => {
    cell.textContent = place ? (place <= stars ? "★" : "☆") : stars ? "×" : "";
    cell.setAttribute("aria-hidden", "true");
  });
}

function voteButton(movie, kind) {
  const button = make("button", undefined, kind);
  button.innerHTML = ICONS[kind];
  button.dataset.vote = kind;
  button.setAttribute("aria-label", `${kind === "like" ? "Like" : "Dislike"} ${shown(movie)}`);
  button.onclick = () => rate(movie, STARS[kind]);
  return button;
}

function votes(movie) {
  const box = make("div", undefined, "votes");
  box.dataset.of = movie;
  box.append(voteButton(movie, "like"), voteButton(movie, "dislike"));
  markVotes(box);
  return box;
}

function markVotes(box) {
  const stars = state.ratings.get(Number(box.dataset.of));
  for (const button of box.querySelectorAll("[data-vote]"))
    button.setAttribute("aria-pressed", String(stars !== undefined && kindOf(stars) === button.dataset.vote));
}

function markAll() {
  document.querySelectorAll(".rating").forEach(markRating);
  document.querySelectorAll(".votes").forEach(markVotes);
}

function movieButton(movie, content = shown(movie), className = "") {
  const button = make("button", undefined, className);
  button.append(content);
  button.dataset.movie = movie;
  button.onclick = () => openMovie(movie);
  return button;
}

function tile(movie) {
  const item = make("li", undefined, "tile");
  const button = movieButton(movie, cover(movie), "open");
  button.setAttribute("aria-label", `${shown(movie)}: about this movie`);
  item.append(button, starsFor(movie));
  return item;
}

// A line of a list.
function entry(movie, why, className = "why") {
  const words = make("div", undefined, "about-movie");
  const button = movieButton(movie, make("strong", data.titles[movie]), "open");
  if (data.years[movie]) button.append(" ", make("span", `(${data.years[movie]})`, "faint"));
  button.append(make("span", genresOf(movie).join(", "), "genres"));
  words.append(button);
  if (why) words.append(make("p", why, className));
  return inItem(picture(movie), words, votes(movie));
}

const because = (reasons, who) =>
  reasons.length ? `because ${who} ${listed(reasons.map(({ movie }) => data.titles[movie]))}` : "";

function openMovie(movie) {
  const panel = get("panel");
  const inside = make("div", undefined, "in-panel");
  const top = make("div", undefined, "top");
  const words = make("div");
  const close = make("button", "Close", "close");
  const title = make("h2", shown(movie));
  const users = data.liked_by[movie].toLocaleString("en");
  title.id = "panel-title";
  title.tabIndex = -1;
  close.onclick = () => panel.close();
  words.append(
    title,
    make("p", genresOf(movie).join(", ") || "No genre"),
    make("p", `Liked by ${users} ${users === "1" ? "user" : "users"}`, "faint"),
  );
  top.append(picture(movie), words);
  const list = make("ul", undefined, "movies");
  list.append(...similarTo(movie, SIMILAR).map(other => entry(other)));
  inside.append(close, top, starsFor(movie), make("h3", "Similar movies"), list);
  panel.replaceChildren(inside);
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
  title.focus();
}
