import t from 'tap'
import { sendCorpus } from '../support/send-corpus.ts'

await sendCorpus(t, 'graphql')
