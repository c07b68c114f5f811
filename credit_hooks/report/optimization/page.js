"use strict";
const only = document.getElementById("kept-only");
only.addEventListener("change", () => {
  for (const attempt of document.querySelectorAll(".not-kept")) attempt.hidden = only.checked;
});
