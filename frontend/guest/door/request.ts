// What a request carries besides the name: fetched when it is made.
export { prove } from '../identity';
export { still } from './still';
