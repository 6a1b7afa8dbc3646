// Runs each round: a pause with a cross (before the first picture a button, so that nobody misses
// it), the picture for as long as is allowed, then noise over it, which wipes the afterimage. The
// clock starts with the frame in which the picture is painted. Gradio changes the elements of the
// last round into those of the next, so listeners are on `element` and every round sets all that
// it shows.
let current = '', shown = 0;
const part = (name) => element.querySelector('.human-test ' + name);
const answers = (disabled) => element.querySelectorAll('.answers button').forEach((button) => {
  button.disabled = disabled;
});
const show = async () => {
  const picture = part('.picture'), mask = part('.mask'), round = current;
  const limit = Number(element.querySelector('.human-test').dataset.milliseconds);
  await Promise.all([picture.decode(), mask.decode()]);
  if (current !== round) return;
  const hide = (now) => {
    if (current !== round) return;
    if (now - shown < limit - 4) return requestAnimationFrame(hide);
    picture.hidden = true; mask.hidden = false;
  };
  part('.waiting').hidden = true; picture.hidden = false;
  requestAnimationFrame((now) => {
    shown = now; answers(false); if (limit) requestAnimationFrame(hide);
  });
};
const begin = () => {
  const picture = part('.picture');
  if (!picture || picture.src === current) return;
  current = picture.src;
  picture.hidden = part('.mask').hidden = true;
  part('.waiting').hidden = false;
  answers(true);
  if (part('span.waiting')) setTimeout(show, 600); else element.scrollIntoView({block: 'center'});
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button || button.disabled) return;
  if (button.matches('.waiting')) return show();
  answers(true);
  const round = Number(element.querySelector('.human-test').dataset.round);
  trigger('select', {round, said: button.dataset.said, milliseconds: performance.now() - shown});
});
watch('value', begin);
