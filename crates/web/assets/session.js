// The session that the page stands on. Once it is over, the page leads to where one signs in, and back.

export const ENDED = "session_ended";

/** Whose page it is; nothing where nobody signs in. */
export const { person } = document.getElementById("rail").dataset;

/** Leaves the page if an answer is that nobody is signed in any more; throws then. What was typed is in its draft already. */
export function expectSignedIn(response) {
  const isLedAway = response.redirected && new URL(response.url).pathname === "/sign-in";
  if (response.status !== 401 && !isLedAway) return;
  const query = new URLSearchParams({ return_to: location.pathname + location.search, ended: "1" });
  location.replace(`/sign-in?${query}`);
  const error = new Error("Your session has ended. Sign in again.");
  error.code = ENDED;
  throw error;
}

async function lookAgain() {
  try {
    const response = await fetch("/auth/me", { headers: { accept: "application/json" } });
    expectSignedIn(response);
    const { user } = await response.json();
    if (user.id !== person) return location.reload();
  } catch (error) {
    if (error.code === ENDED) return;
  }
  document.documentElement.style.visibility = "";
}

// The back button brings pages as they were left, also after somebody signed out. They are shown once it is known to whom.
if (person) {
  addEventListener("pagehide", (event) => { if (event.persisted) document.documentElement.style.visibility = "hidden"; });
  addEventListener("pageshow", (event) => { if (event.persisted) lookAgain(); });
}
