// What makes the pages nicer. Everything works without it.

const form = document.querySelector('.compose')
if (form) {
  const text = form.querySelector('#text'), left = form.querySelector('#left'), post = form.querySelector('button')
  const limit = Number(form.dataset.limit)

  // Counted as the network counts: what people take for one character is one.
  const segmenter = window.Intl && Intl.Segmenter ? new Intl.Segmenter() : { segment: (s) => s }
  const count = () => {
    const rest = limit - [...segmenter.segment(text.value.trim())].length
    left.textContent = rest >= 0 ? `${rest} characters left` : `${-rest} characters too many`
    left.classList.toggle('over', rest < 0)
    // Said aloud when it matters, and not at each key.
    left.setAttribute('aria-live', rest < 20 ? 'polite' : 'off')
  }
  text.addEventListener('input', count)

  let show = () => {}
  const picture = form.querySelector('#picture'), alt = form.querySelector('#alt')
  if (picture) {
    const preview = document.createElement('img')
    preview.className = 'preview'
    preview.alt = ''
    show = () => {
      const [file] = picture.files
      URL.revokeObjectURL(preview.src)
      preview.remove()
      alt.required = Boolean(file)
      if (!file) return
      preview.src = URL.createObjectURL(file)
      picture.after(preview)
    }
    picture.addEventListener('change', show)
    alt.addEventListener('invalid', () => { alt.closest('details').open = true })
  }

  form.addEventListener('submit', () => {
    post.disabled = true
    post.textContent = 'Posting …'
  })
  // The page may come back as it was left, by the button that goes back.
  addEventListener('pageshow', () => {
    post.disabled = false
    post.textContent = 'Post'
    count()
    show()
  })
}

// The server does not know where its user is.
for (const time of document.querySelectorAll('time[datetime]')) {
  const at = new Date(time.dateTime)
  if (!isNaN(at)) time.title = at.toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'short' })
}
