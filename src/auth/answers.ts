export interface AnswersOptions<T> {
  isYes: (answer: T) => boolean
  /** How long an answer is believed, from when it was asked for: what changed meanwhile is seen no later. */
  yesMs: number
  noMs: number
  /** Answers that are kept at the most, of each kind. */
  most: number
  /** A clock that never goes back, in milliseconds. */
  now?: () => number
}

export interface AskOptions {
  /** Past what is known and what others are just asking. */
  fresh?: boolean
}

interface Known<T> { answer: T, askedAt: number }

/** Answers to questions that are slow and often asked. An error is no answer: it reaches whoever asked, and is not kept. */
export function createAnswers<T> ({ isYes, yesMs, noMs, most, now = () => performance.now() }: AnswersOptions<T>) {
  // Apart, so that a flood of questions that come to nothing drives out no good answer.
  const yes = new Map<string, Known<T>>()
  const no = new Map<string, Known<T>>()
  const underWay = new Map<string, Promise<T>>()

  function recall (key: string): Known<T> | null {
    const known = yes.get(key) ?? no.get(key)
    return known && now() - known.askedAt < (isYes(known.answer) ? yesMs : noMs) ? known : null
  }

  function remember (key: string, known: Known<T>): void {
    const other = yes.get(key) ?? no.get(key)
    // Whoever asked later, and was answered sooner, knows better.
    if (other && other.askedAt > known.askedAt) return
    yes.delete(key)
    no.delete(key)
    const kept = isYes(known.answer) ? yes : no
    kept.set(key, known)
    for (const [oldest] of kept) {
      if (kept.size <= most) break
      kept.delete(oldest)
    }
  }

  return async function ask (key: string, question: () => Promise<T>, { fresh = false }: AskOptions = {}): Promise<T> {
    if (!fresh) {
      const known = recall(key)
      if (known) return known.answer
      const same = underWay.get(key)
      if (same) return await same
    }
    const askedAt = now()
    const asking = question().then(answer => {
      remember(key, { answer, askedAt })
      return answer
    })
    underWay.set(key, asking)
    try {
      return await asking
    } finally {
      if (underWay.get(key) === asking) underWay.delete(key)
    }
  }
}
