/**
 * The dialogs of this part of the page: loaded after it is drawn.
 */
import { later } from '../common/later'

/** The menu of models. */
export const ModelPicker = later(async () => (await import('./ModelPicker')).ModelPicker)

/** The settings of the answer. */
export const ParamsDialog = later(async () => (await import('./ParamsDialog')).ParamsDialog)
