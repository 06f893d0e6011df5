// The real service or worker (EPHEMERA_TEST_ROLE), with the diagnostics of tests beside those of the catalogue.
import { loadCatalogue } from '#diagnostics/catalogue.ts'
import { runService } from '../../src/service.ts'
import { testRun, withTestDiagnostics } from '../support/test-diagnostics.ts'

const catalogue = new Map(withTestDiagnostics(await loadCatalogue()))
catalogue.set('test-once', { ...testRun, name: 'test-once', retrySafe: false })

await runService({ role: process.env.EPHEMERA_TEST_ROLE === 'worker' ? 'worker' : 'server', catalogue })
