// Asks the person for the service's key.

import { byId } from "./dom.js";

/** Ask for a key and return it; null where the person has none. `wrong`: the last one was refused. */
export function askKey(wrong) {
  const dialog = byId("key-dialog");
  const input = byId("key");
  const problem = byId("key-error");
  problem.textContent = wrong ? "This key was not accepted." : "";
  input.value = "";
  return new Promise((resolve) => {
    let key = null;
    byId("key-form").onsubmit = (event) => {
      event.preventDefault();
      const given = input.value.trim();
      if (/^[\x21-\x7e]+$/.test(given)) {
        key = given;
        dialog.close();
      } else {
        problem.textContent = given ? "A key has only letters, digits and signs, without spaces." : "Enter the key.";
        input.focus();
      }
    };
    byId("key-cancel").onclick = () => dialog.close();
    dialog.onclose = () => {
      input.value = "";
      resolve(key);
    };
    if (!dialog.open) dialog.showModal();
    input.focus();
  });
}
